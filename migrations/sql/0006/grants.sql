REVOKE ALL ON FUNCTION renew_lease, end_lease, give_up_lost_answers, waiting_answers, keep_question, claim_answers, hand_back_answer, withdraw_answer, request_cancel FROM PUBLIC;
GRANT EXECUTE ON FUNCTION renew_lease, end_lease, give_up_lost_answers, waiting_answers, keep_question, claim_answers, hand_back_answer, withdraw_answer, request_cancel TO tallystick_worker;
