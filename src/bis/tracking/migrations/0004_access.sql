-- Access, version 4: the tokens that clients of a server send, and what its operator watches.

CREATE TABLE access_tokens (
    token_id  TEXT PRIMARY KEY,                      -- public: stands in lists, logs and the token itself
    digest    TEXT NOT NULL,                         -- SHA-256 of the token, which itself is kept nowhere
    name      TEXT NOT NULL,
    role      TEXT NOT NULL CHECK (role IN ('read', 'write', 'admin')),
    created   BIGINT NOT NULL,
    expires   BIGINT,
    last_used BIGINT,                                -- to the minute or so: it is not written at each request
    revoked   BIGINT
);

CREATE INDEX runs_running ON runs (run_no) WHERE status = 'RUNNING';
