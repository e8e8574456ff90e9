import po_demo from './po_demo.ts';

/** The workflows of this project: what the commands register. */
export const workflows = [po_demo];
