import * as z from 'zod';
import { printableJson } from '../terminal.ts';

/** Something a reader should know about; the code is for programs, the message for people. */
const notice = z.object({ code: z.string(), message: z.string() });

const attachment = z.object({
  index: z.int(),
  name: z.string().nullable(),
  type: z.string(),
  size: z.int(),
  /** The text of a PDF or of an attached message; null for everything else. */
  text: z.string().nullable(),
  /** Why a PDF has no text. */
  error: notice.nullable(),
});

/** An email as plain text: what `email.read` puts out, and what `purchase_order.extract` takes in. */
export const emailMessage = z.object({
  source: z.string(),
  subject: z.string().nullable(),
  from: z.string().nullable(),
  to: z.string().nullable(),
  cc: z.string().nullable(),
  message_id: z.string().nullable(),
  /** The Date header as it was written. */
  date: z.string().nullable(),
  /** The calendar day of the Date header, in the sender's own time zone. */
  sent_on: z.iso.date().nullable(),
  text: z.string(),
  html_used: z.boolean(),
  attachments: z.array(attachment),
  warnings: z.array(notice),
});

export type Notice = z.output<typeof notice>;
export type Attachment = z.output<typeof attachment>;
export type EmailMessage = z.output<typeof emailMessage>;

const SHOWN = 60;

/** A value as it may stand in a message: in quotes, escaped, and short. */
export function shown(value: string): string {
  const short = value.length > SHOWN ? `${value.slice(0, SHOWN)}…` : value;
  return printableJson(short);
}
