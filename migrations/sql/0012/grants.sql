REVOKE ALL ON FUNCTION payment_revisions FROM PUBLIC;
GRANT EXECUTE ON FUNCTION payment_revisions TO tallystick_payments;
