--! Previous: sha1:322fd0d53b228da6897e9456f30bdefd404ea84e
--! Hash: sha1:3fc2bb530eb6c4e827e251d5f54f4de7a06bc00f
--! Message: purchase orders

/*
 * The demo's own table: purchase orders as they were read from mails. Order numbers are unique per buyer only, and may be
 * missing, so an order is known by its order_key: buyer and number, or the mail itself when there is no number. The same
 * mail read twice is one row; a mail that repeats an order of the same buyer updates it; nobody else's is touched.
 */
create table public.purchase_orders (
  id            bigint generated always as identity primary key,
  order_key     text          not null unique,
  po_number     text,
  buyer         text,
  vendor        text,
  ship_to       text,
  order_date    date,
  due_date      date,
  payment_terms text,
  currency      text          constraint currencies_are_iso_codes check (currency ~ '^[A-Z]{3}$'),
  subtotal      numeric(18,2),
  tax           numeric(18,2),
  shipping      numeric(18,2),
  total         numeric(18,2),
  line_items    jsonb         not null default '[]' constraint line_items_are_a_list check (jsonb_typeof(line_items) = 'array'),
  is_complete   boolean       not null generated always as (po_number is not null and vendor is not null and due_date is not null and total is not null) stored,
  subject       text,
  source        text          not null,
  created_at    timestamptz   not null default now(),
  updated_at    timestamptz   not null default now(),
  constraint amounts_are_numbers check ('NaN' not in (coalesce(subtotal, 0), coalesce(tax, 0), coalesce(shipping, 0), coalesce(total, 0)))
);

create function public.touch_purchase_order() returns trigger
  language plpgsql volatile
  set search_path = public, pg_temp
as $$
begin
  new.updated_at := now();
  return new;
end;
$$;

create trigger touch_purchase_order before update on public.purchase_orders
  for each row execute function public.touch_purchase_order();

comment on table    public.purchase_orders               is 'Purchase orders as they were read from mails. Nothing is corrected or computed.';
comment on column   public.purchase_orders.id            is 'The row''s key.';
comment on column   public.purchase_orders.order_key     is 'What makes it the same order: buyer and number, or the mail when it has no number.';
comment on column   public.purchase_orders.po_number     is 'The order number, without label; null when the mail states none.';
comment on column   public.purchase_orders.buyer         is 'Who orders: the domain of the sender, or the address when that is a public mail service.';
comment on column   public.purchase_orders.vendor        is 'Who is to deliver.';
comment on column   public.purchase_orders.ship_to       is 'Where to, its lines joined by commas.';
comment on column   public.purchase_orders.order_date    is 'When it was ordered.';
comment on column   public.purchase_orders.due_date      is 'When it has to be there.';
comment on column   public.purchase_orders.payment_terms is 'As printed.';
comment on column   public.purchase_orders.currency      is 'ISO 4217 code of all its amounts.';
comment on column   public.purchase_orders.subtotal      is 'Amount before tax and shipping, in the currency''s major unit.';
comment on column   public.purchase_orders.tax           is 'Tax, in the currency''s major unit.';
comment on column   public.purchase_orders.shipping      is 'Shipping, in the currency''s major unit.';
comment on column   public.purchase_orders.total         is 'What is to be paid, in the currency''s major unit.';
comment on column   public.purchase_orders.line_items    is '[{"item", "description", "quantity", "unit_price", "total"}, …] as printed.';
comment on column   public.purchase_orders.is_complete   is 'Number, vendor, due date and total are all there; false asks for somebody''s attention.';
comment on column   public.purchase_orders.subject       is 'The mail''s subject.';
comment on column   public.purchase_orders.source        is 'The file that it was read from.';
comment on column   public.purchase_orders.created_at    is 'When it was first stored.';
comment on column   public.purchase_orders.updated_at    is 'When it was last written.';
comment on function public.touch_purchase_order()        is 'Keeps updated_at.';
