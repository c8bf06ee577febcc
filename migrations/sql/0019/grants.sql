REVOKE ALL ON FUNCTION tell_event, tell_of_payment, tell_of_alert, wish_events, spread_events, event_to_deliver, note_delivery_try, forget_events FROM PUBLIC;
GRANT EXECUTE ON FUNCTION wish_events, spread_events, event_to_deliver, note_delivery_try, forget_events TO tallystick_worker;

-- The queue of jobs is not the books: it says which delivery is due, and can be made again from them.
-- Its library writes its tables itself, and finds nothing else in their schema.
REVOKE ALL ON FUNCTION tallystick_jobs.fn_pgqueuer_changed FROM PUBLIC;
GRANT USAGE ON SCHEMA tallystick_jobs TO tallystick_worker;
GRANT SELECT, INSERT, UPDATE, DELETE ON tallystick_jobs.pgqueuer, tallystick_jobs.pgqueuer_log, tallystick_jobs.pgqueuer_statistics TO tallystick_worker;
GRANT USAGE ON ALL SEQUENCES IN SCHEMA tallystick_jobs TO tallystick_worker;
