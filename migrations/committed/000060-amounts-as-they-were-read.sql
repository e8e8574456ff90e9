--! Previous: sha1:24d776cfadf938c3251fb8d9a098565a0caeed29
--! Hash: sha1:4cb3cf1da80fba782df83ddba4709e904d9e301a
--! Message: amounts as they were read

/*
 * An order's amounts are stored as they were read, parts of a cent included: they were rounded without a word, and the alert
 * said something else than the row.
 */
alter table public.purchase_orders drop column is_complete;
alter table public.purchase_orders
  alter column subtotal type numeric,
  alter column tax      type numeric,
  alter column shipping type numeric,
  alter column total    type numeric,
  drop constraint amounts_are_numbers,
  -- Neither NaN, which counts as larger, nor infinite.
  add constraint amounts_are_numbers check (
    greatest(abs(subtotal), abs(tax), abs(shipping), abs(total)) < 'Infinity'
  ),
  add column is_complete boolean not null
    generated always as (po_number is not null and vendor is not null and due_date is not null and total is not null) stored;

comment on column public.purchase_orders.is_complete is 'Number, vendor, due date and total are all there; false asks for somebody''s attention.';
