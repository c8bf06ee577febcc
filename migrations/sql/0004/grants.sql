-- Every function is closed to PUBLIC first.
REVOKE ALL ON ALL FUNCTIONS IN SCHEMA tallystick FROM PUBLIC;
GRANT EXECUTE ON FUNCTION start_session, refresh_session, end_sessions, password_of_email, password_of_session, start_password_session, set_password, sign_up, promise_mail, claim_mails, mint_link, finish_mail, redeem_link, forget_sign_ins TO tallystick_auth;
GRANT EXECUTE ON FUNCTION suspend_account, reinstate_account TO tallystick_admin;
