import { createHash } from 'node:crypto';
import type { EmailMessage } from '../mail/message.ts';
import type { OrderFields } from './order.ts';

/** Whoever has an address there is somebody else than the next one who has. A company may have a `web.` or `live.` of its own. */
const PUBLIC_SERVICES =
  /^(?:(?:gmail|googlemail|icloud|me|protonmail)\.com|(?:web|t-online)\.de|proton\.me|protonmail\.ch|(?:outlook|hotmail|live|yahoo|aol|gmx)\.(?:com?\.)?[a-z]{2,3})$/;

/** What makes an order the same order. */
type OrderIdentity = {
  /** Who orders: the domain of the sender, or the whole address at a public mail service. */
  readonly buyer: string | null;
  /**
   * Order numbers are unique per buyer only. Where nobody is named as sender, the vendor stands in for the buyer: whose orders
   * differ in that are two. An order without a number, or without either of them, is known by its mail.
   */
  readonly order_key: string;
};

export function identifyOrder(
  email: EmailMessage,
  { po_number, vendor }: Pick<OrderFields, 'po_number' | 'vendor'>,
): OrderIdentity {
  const address = email.from?.match(/[^\s<>@,;:"]+@([^\s<>@,;:"]+)/);
  const domain = address?.[1]?.toLowerCase() ?? null;
  const buyer = domain && PUBLIC_SERVICES.test(domain) ? (address?.[0]?.toLowerCase() ?? null) : domain;
  const whose = buyer ?? (vendor && `from ${vendor}`);
  if (po_number !== null && whose !== null) return { buyer, order_key: `order ${whose} ${po_number}` };
  // What the mail says matters, and not where it was found or what of it could be read this time.
  const { source: _, warnings: __, attachments, ...message } = email;
  const content = {
    ...message,
    attachments: attachments.map(({ name, size, text }) => ({ name, size, text })),
  };
  return { buyer, order_key: `mail ${createHash('sha256').update(JSON.stringify(content)).digest('hex')}` };
}
