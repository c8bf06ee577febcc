REVOKE ALL ON FUNCTION keep_reply, find_reply, forget_replies FROM PUBLIC;
GRANT EXECUTE ON FUNCTION keep_reply, find_reply, forget_replies TO tallystick_worker;
