-- What a call that was passed on was answered with, byte by byte, when the caller sent a key of its
-- own. It counts only if the hold of the same name was captured. Nobody but functions reads it.
CREATE TABLE answer_replies (
  account_id bigint NOT NULL,
  moment bigint NOT NULL,
  key_number integer NOT NULL,
  reply bytea NOT NULL,
  CONSTRAINT answer_replies_pkey PRIMARY KEY (account_id, moment, key_number)
);

ALTER TABLE answer_replies ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;

CREATE POLICY owner_keeps_the_books ON answer_replies TO tallystick_owner USING (true) WITH CHECK (true);
