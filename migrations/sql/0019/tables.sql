-- What the operator's own systems want to be told; one row. Nothing is written for an event that
-- nobody wants. `low_balance` is the total below which a purse is low.
CREATE TABLE event_wishes (
  is_only boolean NOT NULL DEFAULT true,
  types text[] NOT NULL DEFAULT '{}',
  low_balance credits NOT NULL DEFAULT 0,
  CONSTRAINT event_wishes_pkey PRIMARY KEY (is_only),
  CONSTRAINT event_wishes_is_one_row CHECK (is_only)
);

INSERT INTO event_wishes DEFAULT VALUES;

-- What happened, written by the commit in which it did, and spread to the endpoints that want it.
-- `facts` has numbers of ours; what is sent has the names the API gives them. `salt` makes the name of
-- an event one that no other database, nor this one restored to an earlier time, gives to another.
CREATE TABLE told_events (
  id bigint GENERATED ALWAYS AS IDENTITY,
  salt bigint NOT NULL,
  type text NOT NULL,
  account_id bigint,
  facts jsonb NOT NULL,
  told_at timestamptz NOT NULL DEFAULT clock_timestamp(),
  spread_at timestamptz,
  CONSTRAINT told_events_pkey PRIMARY KEY (id),
  CONSTRAINT told_events_types_are_known CHECK (type IN (
    'balance.low', 'alert.raised', 'payment.succeeded', 'payment.failed', 'payment.expired', 'payment.reversed',
    'answer.finished'))
);

CREATE INDEX told_events_to_spread ON told_events (id) WHERE spread_at IS NULL;

CREATE INDEX told_events_by_time ON told_events (told_at);

-- An event on its way to an endpoint. A job stands for its next try and carries its turn, which
-- changes with each try and each replay: a job of an earlier turn does nothing. `queued_turn` is the turn
-- that has a job.
CREATE TABLE event_deliveries (
  event_id bigint NOT NULL,
  endpoint text NOT NULL,
  state text NOT NULL DEFAULT 'WAITING',
  turn integer NOT NULL DEFAULT 1,
  queued_turn integer NOT NULL DEFAULT 0,
  tries integer NOT NULL DEFAULT 0,
  next_try_at timestamptz NOT NULL DEFAULT now(),
  changed_at timestamptz NOT NULL DEFAULT now(),
  CONSTRAINT event_deliveries_pkey PRIMARY KEY (event_id, endpoint),
  CONSTRAINT event_deliveries_event_exists FOREIGN KEY (event_id) REFERENCES told_events (id),
  CONSTRAINT event_deliveries_states_are_known CHECK (state IN ('WAITING', 'DELIVERED', 'DEAD', 'DISMISSED')),
  CONSTRAINT event_deliveries_turns_go_up CHECK (turn >= 1 AND queued_turn BETWEEN 0 AND turn AND tries >= 0)
);

CREATE INDEX event_deliveries_to_queue ON event_deliveries (next_try_at) WHERE state = 'WAITING';

CREATE INDEX event_deliveries_dead ON event_deliveries (event_id) WHERE state = 'DEAD';

-- Every try of a delivery, and what came of it: the status the endpoint answered with, or why there was none.
CREATE TABLE delivery_tries (
  event_id bigint NOT NULL,
  endpoint text NOT NULL,
  id bigint GENERATED ALWAYS AS IDENTITY,
  tried_at timestamptz NOT NULL DEFAULT clock_timestamp(),
  status smallint,
  fault text,
  took_ms integer NOT NULL,
  CONSTRAINT delivery_tries_pkey PRIMARY KEY (event_id, endpoint, id),
  CONSTRAINT delivery_tries_delivery_exists FOREIGN KEY (event_id, endpoint)
    REFERENCES event_deliveries (event_id, endpoint),
  CONSTRAINT delivery_tries_came_to_something CHECK (status IS NOT NULL OR fault IS NOT NULL)
);

-- Endpoints that answered "gone" and are sent nothing more, until they have another address or the
-- operator says so.
CREATE TABLE gone_endpoints (
  name text NOT NULL,
  address_digest uuid NOT NULL,
  since timestamptz NOT NULL DEFAULT now(),
  CONSTRAINT gone_endpoints_pkey PRIMARY KEY (name)
);

ALTER TABLE event_wishes ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
ALTER TABLE told_events ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
ALTER TABLE event_deliveries ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
ALTER TABLE delivery_tries ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
ALTER TABLE gone_endpoints ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;

CREATE POLICY owner_keeps_the_books ON event_wishes TO tallystick_owner USING (true) WITH CHECK (true);
CREATE POLICY owner_keeps_the_books ON told_events TO tallystick_owner USING (true) WITH CHECK (true);
CREATE POLICY owner_keeps_the_books ON event_deliveries TO tallystick_owner USING (true) WITH CHECK (true);
CREATE POLICY owner_keeps_the_books ON delivery_tries TO tallystick_owner USING (true) WITH CHECK (true);
CREATE POLICY owner_keeps_the_books ON gone_endpoints TO tallystick_owner USING (true) WITH CHECK (true);
