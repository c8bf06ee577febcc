-- Keeps where a payment is made; what is kept already stays, so that of two pages one is the payment's.
CREATE FUNCTION attach_checkout(p_account bigint, p_moment bigint, p_reference text, p_url text) RETURNS void
LANGUAGE sql SECURITY DEFINER SET search_path = tallystick, pg_temp AS $$
  UPDATE payments
     SET checkout_reference = coalesce(checkout_reference, p_reference),
         checkout_url = CASE WHEN coalesce(checkout_reference, p_reference) = p_reference
                             THEN coalesce(checkout_url, p_url) ELSE checkout_url END
   WHERE account_id = p_account AND moment = p_moment AND key_number = 0
$$
