-- The usual way: a guarded UPDATE and an INSERT with a unique key, in a function called once a spend.
CREATE SCHEMA classic;

CREATE TABLE classic.balances (
  id bigint PRIMARY KEY,
  balance bigint NOT NULL CHECK (balance >= 0),
  held bigint NOT NULL DEFAULT 0 CHECK (held >= 0)
) WITH (fillfactor = 50);

CREATE TABLE classic.ledger (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  key uuid NOT NULL UNIQUE,
  account bigint NOT NULL,
  amount bigint NOT NULL,
  balance_after bigint NOT NULL,
  at timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE classic.holds (
  key uuid PRIMARY KEY,
  account bigint NOT NULL,
  amount bigint NOT NULL,
  status text NOT NULL DEFAULT 'OPEN',
  expires_at timestamptz NOT NULL
);

CREATE TABLE classic.answers (
  key uuid PRIMARY KEY,
  account bigint NOT NULL,
  model text NOT NULL,
  status text NOT NULL,
  text text,
  finished_at timestamptz
);

CREATE TABLE classic.usage (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  account bigint NOT NULL,
  answer uuid NOT NULL,
  model text NOT NULL,
  input_tokens bigint NOT NULL,
  output_tokens bigint NOT NULL,
  charged bigint NOT NULL,
  latency_ms integer NOT NULL,
  at timestamptz NOT NULL DEFAULT now()
);

CREATE INDEX usage_of_an_account ON classic.usage (account, id);

CREATE TABLE classic.usage_hours (
  account bigint NOT NULL,
  hour timestamptz NOT NULL,
  model text NOT NULL,
  attempts bigint NOT NULL,
  input_tokens bigint NOT NULL,
  output_tokens bigint NOT NULL,
  charged bigint NOT NULL,
  PRIMARY KEY (account, hour, model)
) WITH (fillfactor = 70);

CREATE FUNCTION classic.spend(p_account bigint, p_key uuid, p_amount bigint) RETURNS bigint
LANGUAGE plpgsql AS $$
DECLARE
  v_left bigint;
BEGIN
  UPDATE classic.balances SET balance = balance - p_amount
   WHERE id = p_account AND balance >= p_amount RETURNING balance INTO v_left;
  IF NOT FOUND THEN
    RETURN -1;
  END IF;
  INSERT INTO classic.ledger (key, account, amount, balance_after) VALUES (p_key, p_account, -p_amount, v_left);
  RETURN v_left;
END $$;

CREATE FUNCTION classic.hold(p_account bigint, p_key uuid, p_amount bigint, p_model text) RETURNS bigint
LANGUAGE plpgsql AS $$
DECLARE
  v_left bigint;
BEGIN
  UPDATE classic.balances SET balance = balance - p_amount, held = held + p_amount
   WHERE id = p_account AND balance >= p_amount RETURNING balance INTO v_left;
  IF NOT FOUND THEN
    RETURN -1;
  END IF;
  INSERT INTO classic.holds (key, account, amount, expires_at)
  VALUES (p_key, p_account, p_amount, now() + interval '5 minutes');
  INSERT INTO classic.answers (key, account, model, status) VALUES (p_key, p_account, p_model, 'RUNNING');
  RETURN v_left;
END $$;

CREATE FUNCTION classic.settle(
  p_account bigint, p_key uuid, p_actual bigint, p_model text, p_text text, p_input bigint, p_output bigint
) RETURNS bigint
LANGUAGE plpgsql AS $$
DECLARE
  v_held bigint;
  v_left bigint;
BEGIN
  UPDATE classic.holds SET status = 'CAPTURED'
   WHERE key = p_key AND account = p_account AND status = 'OPEN' RETURNING amount INTO v_held;
  IF NOT FOUND THEN
    RETURN -4;
  END IF;
  UPDATE classic.balances SET balance = balance + v_held - p_actual, held = held - v_held
   WHERE id = p_account RETURNING balance INTO v_left;
  INSERT INTO classic.ledger (key, account, amount, balance_after) VALUES (p_key, p_account, -p_actual, v_left);
  UPDATE classic.answers SET status = 'SUCCEEDED', text = p_text, finished_at = now() WHERE key = p_key;
  INSERT INTO classic.usage (account, answer, model, input_tokens, output_tokens, charged, latency_ms)
  VALUES (p_account, p_key, p_model, p_input, p_output, p_actual, 100);
  INSERT INTO classic.usage_hours AS t (account, hour, model, attempts, input_tokens, output_tokens, charged)
  VALUES (p_account, date_trunc('hour', now()), p_model, 1, p_input, p_output, p_actual)
  ON CONFLICT (account, hour, model) DO UPDATE SET
    attempts = t.attempts + 1, input_tokens = t.input_tokens + excluded.input_tokens,
    output_tokens = t.output_tokens + excluded.output_tokens, charged = t.charged + excluded.charged;
  RETURN v_left;
END $$;

INSERT INTO classic.balances (id, balance) SELECT g, 1000000000000000 FROM generate_series(1, 10000) g;
