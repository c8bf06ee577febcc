REVOKE ALL ON FUNCTION look_for_pieces, answers_followed, add_pieces, remove_pieces, forget_pieces, purse_moments FROM PUBLIC;
GRANT EXECUTE ON FUNCTION look_for_pieces, answers_followed, add_pieces, remove_pieces, forget_pieces, purse_moments TO tallystick_worker;
