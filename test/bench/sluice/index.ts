import type { Measurements } from '../contest.ts';
import { drain } from './drain.ts';
import { endurance } from './endurance.ts';
import { fullDatabase } from './full.ts';
import { fanOut, layers } from './graphs.ts';
import { idle } from './idle.ts';
import { oneAtATime, pickUp } from './latency.ts';
import { mails } from './mails.ts';
import { burst, severalRunners } from './several.ts';

export const measurements: Measurements = {
  backlog: drain,
  backlog_20_slots: drain,
  chains: drain,
  chains_20_slots: drain,
  one_chain: oneAtATime,
  pick_up: pickUp,
  fan_1000: fanOut,
  fan_5000: fanOut,
  fan_10000: fanOut,
  layers_5: layers,
  layers_20: layers,
  runners: severalRunners,
  idle,
  burst,
  mails,
  full: fullDatabase,
  endurance,
};
