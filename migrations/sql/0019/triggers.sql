CREATE TRIGGER is_told AFTER UPDATE ON payments FOR EACH ROW WHEN (OLD.status IS DISTINCT FROM NEW.status AND NEW.status <> 'PENDING') EXECUTE FUNCTION tell_of_payment();
CREATE TRIGGER is_told AFTER INSERT ON alerts FOR EACH ROW EXECUTE FUNCTION tell_of_alert();
CREATE TRIGGER tg_pgqueuer_changed AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON tallystick_jobs.pgqueuer EXECUTE FUNCTION tallystick_jobs.fn_pgqueuer_changed();
