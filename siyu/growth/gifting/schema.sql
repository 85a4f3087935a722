create schema gifting;

create table gifting.settings (
  shop_id       int     not null primary key,
  is_enabled         boolean not null,
  cap_fen       bigint  not null check (cap_fen between 1 and 1000000),
  max_shares    int     not null check (max_shares between 1 and 50),
  allows_cancel boolean not null
);
comment on table gifting.settings is 'What a shop decides about its gifts; without a row: contracts.GiftSettings as it stands.';
comment on column gifting.settings.cap_fen is 'The most a piece may cost; WeChat''s own limit is 10,000 yuan.';
select kernel.tenant_table('gifting.settings');

create table gifting.exclusions (
  shop_id     int     not null,
  category_id uuid    not null,
  is_excluded boolean not null,
  reason      text    not null check (length(reason) <= 100),
  primary key (shop_id, category_id)
);
comment on table gifting.exclusions is
  'Categories (gift_excluded) the merchant decided about; the others go by their names: jewellery and education are excluded.';
select kernel.tenant_table('gifting.exclusions');

create table gifting.products (
  shop_id    int         not null,
  product_id uuid        not null,
  product_no int         not null,
  marked_at  timestamptz not null,
  primary key (shop_id, product_id)
);
comment on table gifting.products is 'Products that carry the mark "supports gifting"; price and category are checked again at each gift.';
select kernel.tenant_table('gifting.products');

create table gifting.kits (
  shop_id    int      not null,
  kit        text     not null check (kit ~ '^[a-z0-9-]{1,32}$'),
  position   smallint not null check (position between 0 and 19),
  name       text     not null check (length(name) between 1 and 20),
  theme      text     not null check (theme in ('spring', 'birthday', 'moon', 'love', 'thanks', 'plain')),
  card_title text     not null check (length(card_title) between 1 and 30),
  blessings  text[]   not null check (cardinality(blessings) between 1 and 12),
  guide      text     not null check (length(guide) <= 2000),
  tags       text[]   not null check (cardinality(tags) <= 10),
  starts_on  date,
  ends_on    date,
  is_enabled      boolean  not null,
  primary key (shop_id, kit),
  constraint kit_position_taken unique (shop_id, position) deferrable initially deferred,
  check (ends_on >= starts_on)
);
comment on table gifting.kits is 'Festival kits of the shop; without a row: rules.STANDARD_KITS.';
select kernel.tenant_table('gifting.kits');

create table gifting.voices (
  shop_id     int         not null,
  voice_id    uuid        not null,
  member_id   uuid        not null,
  media_type  text        not null check (media_type in
    ('audio/mpeg', 'audio/aac', 'audio/mp4', 'audio/webm', 'audio/ogg')),
  size_bytes  int         not null check (size_bytes between 1 and 1000000),
  duration_ms int         not null check (duration_ms between 1 and 60000),
  uploaded_at timestamptz not null,
  gift_id     uuid,
  home_id uuid,
  primary key (shop_id, voice_id),
  constraint one_voice_per_gift unique (shop_id, gift_id)
);
comment on table gifting.voices is
  'Voice greetings; files lie in data_dir/voices, never under a public address. Without a gift: thrown away after a day.';
create index voice_waiting on gifting.voices (uploaded_at) where gift_id is null;
create index voice_of_member on gifting.voices (shop_id, member_id) where gift_id is null;
comment on column gifting.voices.home_id is 'The record it came with, when a merge gave it to another; null: member_id.';
create index voices_home on gifting.voices (shop_id, home_id) where home_id is not null;
select kernel.tenant_table('gifting.voices', worker => true);

create table gifting.gifts (
  shop_id       int         not null,
  gift_id       uuid        not null,
  link_key      text        not null check (link_key ~ '^[A-Za-z0-9_-]{22}$'),
  order_id      uuid        not null,
  order_no      text        not null,
  giver_id      uuid        not null,
  giver_no      bigint      not null,
  kind          text        not null check (kind in ('friend', 'group')),
  standing      text        not null check (standing in ('unpaid', 'closed', 'paid')),
  product_id    uuid        not null,
  product_no    int         not null,
  sku_id        uuid        not null,
  title         text        not null,
  option_values text[]      not null,
  image_url     text,
  unit_fen      bigint      not null check (unit_fen between 0 and 1000000),
  total_fen     bigint      not null check (total_fen between 0 and 10000000000),
  share_count   int         not null check (share_count between 1 and 50),
  blessing      text        not null check (length(blessing) <= 100),
  theme         text        not null check (theme in ('spring', 'birthday', 'moon', 'love', 'thanks', 'plain')),
  kit           text,
  voice_id      uuid,
  scene         text        check (scene ~ '^[a-z0-9_-]{1,32}$'),
  placed_at     timestamptz not null,
  paid_at       timestamptz,
  accept_before timestamptz,
  giver_home_id uuid,
  primary key (shop_id, gift_id),
  constraint gift_link_taken unique (shop_id, link_key),
  constraint gift_of_order unique (shop_id, order_id),
  foreign key (shop_id, voice_id) references gifting.voices (shop_id, voice_id),
  check (kind = 'group' or share_count = 1),
  check ((standing = 'paid') = (paid_at is not null)),
  constraint a_day_to_accept
    check ((accept_before is null) = (paid_at is null) and accept_before <= paid_at + interval '24 hours')
);
comment on table gifting.gifts is
  'Gifts, as they were when given. No address, no phone, no parcel: the giver''s queries cannot reach them (mission 44).';
comment on column gifting.gifts.link_key is '128 random bits: who has the link may see the gift.';
comment on column gifting.gifts.scene is 'Where the giver came from: a share, a code, an article.';
comment on column gifting.gifts.unit_fen is 'List price of a piece when it was given; a swap costs the same.';
create index gift_of_giver on gifting.gifts (shop_id, giver_id, gift_id desc);
create index gift_placed on gifting.gifts (shop_id, gift_id desc);
create index gift_paid on gifting.gifts (shop_id, paid_at) where paid_at is not null;
comment on column gifting.gifts.giver_home_id is 'The record that gave it, when a merge gave it to another; null: giver_id.';
create index gifts_giver_home on gifting.gifts (shop_id, giver_home_id) where giver_home_id is not null;
select kernel.tenant_table('gifting.gifts', worker => true);

create table gifting.refunds (
  shop_id    int         not null,
  refund_id  uuid        not null,
  gift_id    uuid        not null,
  state      text        not null check (state in ('due', 'asked', 'done')),
  quantity   int         not null check (quantity > 0),
  amount_fen bigint      not null default 0 check (amount_fen between 0 and 10000000000),
  ended_by   text        not null check (ended_by in ('time', 'giver', 'staff')),
  due_at     timestamptz,
  trouble    text        check (length(trouble) <= 60),
  reason     text        check (length(reason) <= 80),
  primary key (shop_id, refund_id),
  foreign key (shop_id, gift_id) references gifting.gifts (shop_id, gift_id)
);
comment on table gifting.refunds is
  'Money of shares that ended. The number stands here before money is asked for, and is asked for again until it is there.';
comment on column gifting.refunds.reason is 'Why the shop gave the money of an accepted share back.';
comment on column gifting.refunds.due_at is 'When it is asked for next; null: finance gave it up at WeChat, staff decide.';
create index refund_of_gift on gifting.refunds (shop_id, gift_id);
create index refund_due on gifting.refunds (due_at) where state = 'due';
select kernel.tenant_table('gifting.refunds', worker => true);

create table gifting.shares (
  shop_id         int      not null,
  gift_id         uuid     not null,
  share_no        smallint not null check (share_no between 1 and 50),
  state           text     not null check (state in
    ('waiting', 'accepted', 'expired', 'refund_pending', 'refunded')),
  receiver_id     uuid,
  receiver_no     bigint,
  is_new_customer boolean  not null default false,
  accepted_at     timestamptz,
  ended_at        timestamptz,
  ended_by        text     check (ended_by in ('time', 'giver', 'staff')),
  refund_id       uuid,
  consignment_id  uuid,
  sent_sku_id     uuid,
  sent_title      text,
  share_id        uuid     not null,
  received_at     timestamptz,
  returned_id     uuid,
  receiver_home_id uuid,
  primary key (shop_id, gift_id, share_no),
  unique (shop_id, share_id),
  foreign key (shop_id, gift_id) references gifting.gifts (shop_id, gift_id),
  foreign key (shop_id, refund_id) references gifting.refunds (shop_id, refund_id) on update cascade,
  constraint return_of_share foreign key (shop_id, returned_id)
    references gifting.refunds (shop_id, refund_id) on update cascade,
  constraint only_accepted_ones_arrive
    check (state = 'accepted' or (received_at is null and returned_id is null)),
  constraint one_share_per_member unique (shop_id, gift_id, receiver_id),
  constraint accepted_xor_refunded check (
    (state = 'accepted') = (receiver_id is not null)
    and (state = 'accepted') = (accepted_at is not null)
    and (state in ('expired', 'refund_pending', 'refunded')) = (refund_id is not null)),
  check ((receiver_id is null) = (receiver_no is null)),
  check ((refund_id is null) = (ended_at is null) and (refund_id is null) = (ended_by is null)),
  check (state = 'accepted' or (consignment_id is null and sent_sku_id is null)),
  check ((sent_sku_id is null) = (sent_title is null))
);
comment on column gifting.shares.received_at is 'When its receiver had it, by their word or by time.';
comment on column gifting.shares.returned_id is 'By which refund the shop gave an accepted piece''s money back to the giver.';
comment on column gifting.shares.share_id is 'What fulfilment knows as the source of the consignment.';
comment on table gifting.shares is 'One row per piece: waiting, then accepted or on its way back, never both.';
create index share_of_receiver on gifting.shares (shop_id, receiver_id, accepted_at desc, share_id desc)
  where receiver_id is not null;
create index share_of_refund on gifting.shares (shop_id, refund_id) where refund_id is not null;
create index share_waiting on gifting.shares (shop_id, gift_id) where state = 'waiting';
comment on column gifting.shares.receiver_home_id is 'The record that accepted it, when a merge gave it to another; null: receiver_id.';
create index shares_receiver_home on gifting.shares (shop_id, receiver_home_id) where receiver_home_id is not null;
select kernel.tenant_table('gifting.shares', worker => true);

create table gifting.messages (
  shop_id    int         not null,
  message_id uuid        not null,
  gift_id    uuid        not null,
  share_no   smallint    not null,
  author     text        not null check (author in ('receiver', 'shop')),
  said_by    text,
  content    text        not null check (length(content) between 1 and 300),
  said_at    timestamptz not null,
  primary key (shop_id, gift_id, share_no, message_id),
  foreign key (shop_id, gift_id, share_no) references gifting.shares (shop_id, gift_id, share_no),
  check ((author = 'shop') = (said_by is not null))
);
comment on table gifting.messages is 'What a receiver asks the shop about a received gift, and its answers; the giver sees none of it.';
select kernel.tenant_table('gifting.messages');

create table gifting.visits (
  shop_id   int         not null,
  gift_id   uuid        not null,
  member_id uuid        not null,
  scene     text        check (scene ~ '^[a-z0-9_-]{1,32}$'),
  seen_at   timestamptz not null,
  home_id uuid,
  primary key (shop_id, gift_id, member_id),
  foreign key (shop_id, gift_id) references gifting.gifts (shop_id, gift_id)
);
comment on table gifting.visits is 'Who opened a gift first when, and how they came to it; the giver''s own looks do not count.';
comment on column gifting.visits.home_id is 'The record it came with, when a merge gave it to another; null: member_id.';
create index visits_home on gifting.visits (shop_id, home_id) where home_id is not null;
select kernel.tenant_table('gifting.visits');
