-- commission of one's own purchases is held for review (F096)
-- depends: 0006_outreach

-- migrate: apply
alter table profit_sharing.plans drop constraint plans_alarm_check;
alter table profit_sharing.plans add constraint plans_alarm_check check (alarm in ('over_ratio', 'freeze_ends', 'freeze_over', 'refused', 'held'));

alter table profit_sharing.parts drop constraint parts_state_check;
alter table profit_sharing.parts add constraint parts_state_check check (state in
  ('planned', 'held', 'denied', 'refused', 'sent', 'paid', 'credited', 'dropped'));
alter table profit_sharing.parts add column evidence text[] not null default '{}';
alter table profit_sharing.parts add column reviewed_at timestamptz;
alter table profit_sharing.parts add column review_note text check (length(review_note) between 2 and 200);
alter table profit_sharing.parts add constraint held_by_evidence
  check (state <> 'held' or (evidence <> '{}' and reviewed_at is null and revision = 0));
alter table profit_sharing.parts add constraint held_until_reviewed
  check (evidence = '{}' or reviewed_at is not null or state in ('held', 'dropped'));
alter table profit_sharing.parts add constraint denied_owes_nothing
  check (state <> 'denied' or (reviewed_at is not null and amount_fen = 0 and booked_fen = 0));
alter table profit_sharing.parts add check (reviewed_at is null or evidence <> '{}');
alter table profit_sharing.parts add check (review_note is null or reviewed_at is not null);
comment on column profit_sharing.parts.evidence is 'What ties its receiver to the buyer, in codes (contracts.Tie); it was held for that (F096).';
comment on column profit_sharing.parts.reviewed_at is 'When staff decided about a held part; it is not held again.';
drop index profit_sharing.part_receiver;
create index part_receiver on profit_sharing.parts (shop_id, receiver_id)
  where state in ('planned', 'held', 'refused', 'sent');

create table profit_sharing.buyers (
  shop_id int not null,
  order_id uuid not null,
  member_id uuid not null,
  phone_key bytea check (length(phone_key) = 32),
  address_key bytea check (length(address_key) = 32),
  noted_at timestamptz not null,
  primary key (shop_id, order_id)
);
comment on table profit_sharing.buyers is
  'Who bought what a promoter brought, and where it went: to be held against the promoter when a part falls due (F096).';
comment on column profit_sharing.buyers.phone_key is 'Keyed hash of the phone the parcel names; of a gift nothing is known.';
comment on column profit_sharing.buyers.address_key is 'Keyed hash of the place it goes to, without names.';
create index buyer_old on profit_sharing.buyers (noted_at);
select kernel.tenant_table('profit_sharing.buyers');

create table profit_sharing.devices (
  shop_id int not null,
  device_key bytea not null check (length(device_key) = 32),
  member_id uuid not null,
  seen_at timestamptz not null,
  primary key (shop_id, device_key, member_id)
);
comment on table profit_sharing.devices is
  'Phones and browsers of promoters and of those who buy by their links: one device for both is evidence (F096).';
comment on column profit_sharing.devices.device_key is 'Keyed hash of the key that the device made for itself.';
create index device_member on profit_sharing.devices (shop_id, member_id);
create index device_old on profit_sharing.devices (seen_at);
select kernel.tenant_table('profit_sharing.devices');

-- migrate: rollback
