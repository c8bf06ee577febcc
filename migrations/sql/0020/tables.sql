-- When each kind of look was last taken, by whichever process.
CREATE TABLE looks (
  kind text NOT NULL,
  looked_at timestamptz NOT NULL,
  CONSTRAINT looks_pkey PRIMARY KEY (kind)
);

-- What has begun and is not over, and the alert that tells of it: as long as it lasts, it is not told
-- as something new.
CREATE TABLE alert_conditions (
  kind text NOT NULL,
  subject text NOT NULL,
  alert_id bigint NOT NULL,
  told_at timestamptz NOT NULL,
  low_since timestamptz,
  CONSTRAINT alert_conditions_pkey PRIMARY KEY (kind, subject),
  CONSTRAINT alert_conditions_alert_exists FOREIGN KEY (alert_id) REFERENCES alerts (id)
);

-- How often what strangers can cause happened, minute by minute, over all processes. Of an address
-- that somebody tried to get in by there is a keyed hash, and the account if it is known.
CREATE TABLE sightings (
  kind text NOT NULL,
  minute timestamptz NOT NULL,
  subject text NOT NULL,
  account_id bigint,
  times bigint NOT NULL,
  CONSTRAINT sightings_pkey PRIMARY KEY (kind, minute, subject),
  CONSTRAINT sightings_are_of_something CHECK (times > 0)
);

-- Whoever spent much lately is found without looking through all hours.
CREATE INDEX usage_hours_by_time ON usage_hours USING brin (hour) WITH (pages_per_range = 16, autosummarize = on);

ALTER TABLE looks ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
ALTER TABLE alert_conditions ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
ALTER TABLE sightings ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;

CREATE POLICY owner_keeps_the_books ON looks TO tallystick_owner USING (true) WITH CHECK (true);
CREATE POLICY owner_keeps_the_books ON alert_conditions TO tallystick_owner USING (true) WITH CHECK (true);
CREATE POLICY owner_keeps_the_books ON sightings TO tallystick_owner USING (true) WITH CHECK (true);
