"""The tables, and how a ledger file comes to have them.

What claims touch (`message`, `attempt`) is narrow; what is written once (`row`, `submission`) is apart and never
rewritten. Partial indexes hold only what is open, so that a million finished or paused rows cost a claim nothing.
Migrations are numbered, forward only; `user_version` says how far a file is.
"""

from __future__ import annotations

FIRST = """
create table meta (key text primary key, value any) strict, without rowid;

-- A campaign, or a stream's endless run. `runnable` is the small table that workers look at.
create table run (
  id integer primary key, name text not null unique, stream text not null, campaign integer not null,
  state text not null, before_import text, policy text not null, template integer, pinned text not null,
  expires integer, created integer not null
) strict;
create table runnable (run integer primary key, transactional integer not null, created integer not null) strict;

-- One envelope recipient. state: core.lifecycle.State. All times in ms.
create table message (
  id integer primary key, run integer not null, state integer not null, due integer not null,
  fence integer not null default 0, attempts integer not null default 0, worker text, lease integer,
  first_claimed integer, expires integer, submission integer, doubt_since integer,
  resends integer not null default 0, cancel text, copies_possible integer not null default 0
) strict;
create index message_open on message (run, due, id) where state = 0;
create index message_expiring on message (expires) where state = 0 and expires is not null;
create index message_lease on message (worker, lease) where state = 1;
create index message_doubt on message (due) where state = 3;
create index message_person on message (run, state) where state in (5, 6);

-- Who it is for. Written once; erasure deletes the address and leaves the hash.
create table row (
  message integer primary key, run integer not null, hash integer not null, import integer, line integer,
  address text not null, variables text
) strict;
-- Who has a message where. New ones of an import gather in `addressee_new` and are merged in the order of their
-- hashes: inserted one by one at random places, a list of a million would cost thrice as much a row as one of 50,000.
create table addressee (hash integer, run integer, message integer, primary key (hash, run, message))
  strict, without rowid;
create table addressee_new (hash integer, run integer, message integer, primary key (hash, run, message))
  strict, without rowid;

create table submission (
  id integer primary key, run integer not null, at integer not null, reference text, content text not null,
  messages text not null
) strict;
create index submission_reference on submission (reference) where reference is not null;
create table idempotency (
  key text primary key, body_hash text not null, submission integer not null, until integer not null
) strict, without rowid;
create index idempotency_until on idempotency (until);

create table attempt (
  message integer not null, fence integer not null, worker text not null, lane text not null, begun integer not null,
  settled integer, cause text, proved integer, provider_id text, outcome text,
  primary key (message, fence)
) strict, without rowid;
create index attempt_provider on attempt (provider_id) where provider_id is not null;

create table import (
  id integer primary key, run integer not null, digest text not null, next_line integer not null,
  sealed integer not null default 0, unique (run, digest)
) strict;

-- counter.name: a state's word, or read, invalid, duplicate, already, missing; delivery:KIND for events.
create table counter (run integer, name text, n integer not null, primary key (run, name)) strict, without rowid;

create table worker (id text primary key, host text not null, boot text not null, heartbeat integer not null)
  strict, without rowid;

create table account (id text primary key, next_slot real not null default 0, reported integer, reported_at integer)
  strict, without rowid;
create table quota (account text, bucket integer, n integer not null, primary key (account, bucket))
  strict, without rowid;
create table gate (id text primary key, reason text not null, until integer, since integer not null, detail text)
  strict, without rowid;

create table template (
  id integer primary key, name text not null, version integer not null, digest text not null, source text not null,
  created integer not null, unique (name, version)
) strict;

create table suppression (
  hash integer, scope text, address text not null, reason text not null, source text not null, who text not null,
  note text not null, at integer not null, primary key (hash, scope)
) strict, without rowid;
create index suppression_address on suppression (address);

create table event (
  key text primary key, kind text not null, at integer not null, received integer not null, message integer,
  fence integer, provider_id text not null, hash integer, event text not null
) strict, without rowid;
create index event_message on event (message) where message is not null;
create index event_unmatched on event (provider_id) where message is null;
create table delivery (message integer primary key, run integer not null, word text, folded text not null) strict;

-- Acceptances of a lane by the second, and how many of them have an event: what silence is measured against.
create table lane_second (lane text, second integer, accepted integer not null, proved integer not null,
  primary key (lane, second)) strict, without rowid;
create table lane_latest (lane text primary key, at integer not null) strict, without rowid;

create table journal (
  seq integer primary key, at integer not null, kind text not null, run integer, message integer, data text not null
) strict;
create index journal_message on journal (message) where message is not null;
"""

SUPPRESSING = """
-- All that is known of an address when it is asked whether it may be written to.
create index event_address on event (hash)
  where kind in ('bounced', 'complained', 'rejected', 'resubscribed', 'unsubscribed') and hash is not null;

-- What a person removed: the suppression as it was, and the removal.
create table released (
  hash integer, scope text, address text not null, reason text not null, source text not null, who text not null,
  note text not null, at integer not null, released_by text not null, released_note text not null,
  released_at integer not null, primary key (hash, scope)
) strict, without rowid;
create index released_address on released (address);
"""

GUARD = """
-- The guard's window of a run: what bounced for good and was complained about of what was sent in it, and what it said.
create table guard (
  run integer primary key, since integer not null default 0, sent_before integer not null default 0,
  bounced integer not null default 0, complained integer not null default 0, verdict text
) strict;
"""

FIGURES = """
-- Numbers of a run by scope ('', domain, link, machine) and key, as `core.statistics.adds` has them.
create table tally (
  run integer, scope text, key text, name text, n integer not null, primary key (run, scope, key, name)
) strict, without rowid;
-- The opens and clicks of a message that count, so that news of it need not read its events.
create table touched (message integer primary key, touches text not null) strict;
-- By the quarter of an hour (ms): acceptances and what the providers told.
create table quarter (
  at integer, run integer, lane text, name text, n integer not null, primary key (at, run, lane, name)
) strict, without rowid;
create index quarter_run on quarter (run, at);
insert into quarter select a.settled / 900000 * 900000, m.run, a.lane, 'accepted', count(*)
  from attempt a join message m on m.id = a.message where a.cause = 'provider_accepted' group by 1, 2, 3;
"""

PACING = """
-- A mail's pace is its recipients' domains' (`[pacing.NAME]`), '' for most; each pace of a run has a queue of its own.
alter table message add column pace text not null default '';
drop index message_open;
create index message_open on message (run, pace, due, id) where state = 0;

-- How large the last group of slots was, when transactional mail last asked for one, and what throttles left of the
-- pace at `slowed`.
alter table account add column grouped integer not null default 1;
alter table account add column asked integer not null default 0;
alter table account add column factor real not null default 1;
alter table account add column slowed integer not null default 0;

-- `pace:NAME`, and `lane:NAME` of a lane that works again since then. spent: see `core.pacing.room`.
create table pace (id text primary key, since integer not null, spent real not null) strict, without rowid;

-- How often it was stopped in a row; until when others wait for the mail that tries.
alter table gate add column strikes integer not null default 1;
alter table gate add column probing integer;
"""

ALERTS = """
-- Mail that came back: since when it waits, found without going through what waits. Sending touches it never.
create index message_tried on message (run, first_claimed, due, resends) where state = 0 and first_claimed is not null;
create index counter_person on counter (name, run, n) where n > 0 and name in ('dead', 'unresolved');

-- `facts`: core.alert.Facts. Of a key one alert is open. A telling is whoever's that took it until `until`.
create table alert (
  id integer primary key, key text not null, kind text not null, level text not null, since integer not null,
  raised integer not null, ended integer, facts text not null
) strict;
create unique index alert_open on alert (key) where ended is null;
create index alert_key on alert (key, ended);
create index alert_ended on alert (ended) where ended is not null;
create table alert_telling (
  alert integer, part text, channel text, tries integer not null default 0, until integer not null, told integer,
  primary key (alert, part, channel)
) strict, without rowid;
create index alert_untold on alert_telling (until) where told is null;

-- When a run last went on, and when a person last set it going, as far as the journal was read (meta: alert_cursor).
-- What was running before counts as begun now.
create table alert_run (run integer primary key, went integer, begun integer) strict;
insert into alert_run select run, null, (select max(at) from journal) from runnable;
insert into meta select 'alert_cursor', coalesce(max(seq), 0) from journal;
"""

PARKING = """
-- Whose day's quota is used up, for lists or for single mails, since when and until when: a note, it stops nothing.
create table parking (
  account text, transactional integer, since integer not null, until integer not null,
  primary key (account, transactional)
) strict, without rowid;
-- Who paused a run.
create index journal_paused on journal (run, seq) where kind in ('campaign_paused', 'guard_paused');
"""

ACCEPTANCES = """
-- What the provider took counts when its attempt began, also where only an event proved it: the provider counts it.
delete from quarter where name = 'accepted';
insert into quarter select a.begun / 900000 * 900000, m.run, a.lane, 'accepted', count(*) from attempt a
  join message m on m.id = a.message where a.cause = 'provider_accepted' or a.proved is not null group by 1, 2, 3;
"""

GUARD_STREAM = """
-- The guard's window of a stream as a whole, what it said in it, and when.
create table guard_stream (
  stream text primary key, since integer not null default 0, said integer not null default 0, verdict text
) strict, without rowid;
"""

EXPECTED = """
-- How many rows of a list come while its campaign runs, in any order; and which of its lines became no message, and
-- why: duplicate, already, invalid.
alter table import add column expected integer;
create table import_line (import integer, line integer, verdict text not null, primary key (import, line))
  strict, without rowid;
"""

MIGRATIONS: tuple[str, ...] = (
    *(FIRST, SUPPRESSING, GUARD, FIGURES, PACING, ALERTS, PARKING, ACCEPTANCES, GUARD_STREAM, EXPECTED),
)
