REVOKE ALL ON FUNCTION acknowledge_alert, alerts_revision, last_book_check FROM PUBLIC;

GRANT SELECT ON book_checks TO tallystick_admin;

GRANT EXECUTE ON FUNCTION acknowledge_alert TO tallystick_admin;
GRANT EXECUTE ON FUNCTION alerts_revision, last_book_check TO tallystick_worker;
