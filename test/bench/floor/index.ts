import type { Measurements } from '../contest.ts';
import { claimAndComplete } from './claim_complete.ts';
import { commitsInARow, notifyAndCommit } from './commits.ts';

export const measurements: Measurements = {
  backlog: claimAndComplete,
  chains: claimAndComplete,
  one_chain: commitsInARow,
  pick_up: notifyAndCommit,
};
