create schema reviews;

create table reviews.settings (
  shop_id       int    not null primary key,
  checking      text   not null check (checking in ('all', 'words')),
  review_days   int    not null check (review_days between 1 and 365),
  addition_days int    not null check (addition_days between 1 and 730),
  edit_hours    int    not null check (edit_hours between 0 and 720),
  words         text[] not null check (cardinality(words) <= 2000)
);
comment on table reviews.settings is 'What a shop decides about reviews; no row: the defaults of contracts.Settings.';
select kernel.tenant_table('reviews.settings');

create table reviews.reviews (
  shop_id            int         not null,
  review_id          uuid        not null,
  order_id           uuid        not null,
  line_no            smallint    not null,
  piece_no           smallint    not null default 0 check (piece_no >= 0),
  member_id          uuid        not null,
  person_no          bigint,
  author             text        not null check (length(author) <= 10),
  product_id         uuid        not null,
  product_no         int         not null,
  sku_id             uuid        not null,
  title              text        not null,
  option_values      text[]      not null,
  image_url          text,
  stars              smallint    not null check (stars between 1 and 5),
  service_stars      smallint    check (service_stars between 1 and 5),
  logistics_stars    smallint    check (logistics_stars between 1 and 5),
  is_anonymous       boolean     not null,
  is_shown           boolean     not null default false,
  picture_count      smallint    not null default 0 check (picture_count between 0 and 9),
  helpful_count      int         not null default 0 check (helpful_count >= 0),
  completed_at       timestamptz not null,
  submitted_at       timestamptz not null,
  answer             text        check (length(answer) between 1 and 500),
  answered_at        timestamptz,
  answered_by        text,
  reuse_allowed_at   timestamptz,
  reuse_withdrawn_at timestamptz,
  reuse_text_version text,
  reusable_at        timestamptz,
  home_id uuid,
  primary key (shop_id, review_id),
  constraint one_review_per_piece unique (shop_id, order_id, line_no, piece_no),
  constraint answer_is_whole check ((answer is null) = (answered_at is null)
    and (answer is null) = (answered_by is null)),
  constraint consent_names_its_words check ((reuse_allowed_at is null) = (reuse_text_version is null)),
  constraint consent_is_given_or_withdrawn check (reuse_allowed_at is null or reuse_withdrawn_at is null),
  constraint reuse_needs_consent check (reusable_at is null or (reuse_allowed_at is not null and is_shown))
);
comment on table reviews.reviews is 'One per order line, by its buyer, or per piece of a gift, by who received it; its words stand in posts.';
comment on column reviews.reviews.piece_no is '0: the line as its buyer has it; else the piece of a gift.';
comment on column reviews.reviews.person_no is 'Null: the author was erased, and with them all words and pictures.';
comment on column reviews.reviews.author is 'The author''s nickname as strangers read it, frozen: its first and last character.';
comment on column reviews.reviews.title is 'What was bought, as it was called then.';
comment on column reviews.reviews.is_shown is 'The first part is approved: what lists and figures count.';
comment on column reviews.reviews.picture_count is 'Of the first part.';
comment on column reviews.reviews.completed_at is 'When the order was completed: the days to review count from it.';
comment on column reviews.reviews.reuse_text_version is 'Which words of consent the author saw.';
create index review_of_product on reviews.reviews (shop_id, product_id, review_id desc) where is_shown;
create index review_by_help on reviews.reviews (shop_id, product_id, helpful_count desc, review_id desc) where is_shown;
create index review_of_member on reviews.reviews (shop_id, member_id, review_id desc);
create index review_reusable on reviews.reviews (shop_id, review_id) where reusable_at is not null;
comment on column reviews.reviews.home_id is 'The record it came with, when a merge gave it to another; null: member_id.';
create index reviews_home on reviews.reviews (shop_id, home_id) where home_id is not null;
select kernel.tenant_table('reviews.reviews');

create table reviews.pieces (
  shop_id       int         not null,
  order_id      uuid        not null,
  line_no       smallint    not null,
  piece_no      smallint    not null check (piece_no > 0),
  member_id     uuid        not null,
  sku_id        uuid        not null,
  product_id    uuid        not null,
  product_no    int         not null,
  title         text        not null,
  option_values text[]      not null,
  image_url     text,
  received_at   timestamptz not null,
  home_id       uuid,
  primary key (shop_id, order_id, line_no, piece_no)
);
comment on table reviews.pieces is 'Pieces of gifts that their receivers have and may review; ordering knows the giver alone.';
comment on column reviews.pieces.home_id is 'The record it came with, when a merge gave it to another; null: member_id.';
create index pieces_home on reviews.pieces (shop_id, home_id) where home_id is not null;
create index piece_of_member on reviews.pieces (shop_id, member_id, received_at desc);
select kernel.tenant_table('reviews.pieces');

create table reviews.posts (
  shop_id    int         not null,
  review_id  uuid        not null,
  part       text        not null check (part in ('first', 'more')),
  state      text        not null check (state in ('waiting', 'approved', 'hidden', 'erased')),
  text       text        not null check (length(text) <= 500),
  hits       text[]      not null,
  reason     text        check (length(reason) between 1 and 200),
  said_at    timestamptz not null,
  edited_at  timestamptz,
  decided_at timestamptz,
  decided_by text,
  primary key (shop_id, review_id, part),
  foreign key (shop_id, review_id) references reviews.reviews,
  constraint hidden_for_a_reason check ((reason is not null) = (state = 'hidden')),
  constraint decided_by_somebody check ((decided_at is null) = (decided_by is null)),
  constraint waiting_is_undecided check (state <> 'waiting' or decided_at is null),
  constraint erased_says_nothing check (state <> 'erased' or text = '')
);
comment on table reviews.posts is 'The words of a review: the first, and one addition later.';
comment on column reviews.posts.hits is 'Words of the shop''s list that were found when this was said.';
create index post_by_state on reviews.posts (shop_id, state, review_id desc);
select kernel.tenant_table('reviews.posts');

create table reviews.story (
  shop_id   int         not null,
  review_id uuid        not null,
  entry_id  uuid        not null,
  at        timestamptz not null,
  part      text        check (part in ('first', 'more')),
  event     text        not null check (event in ('submitted', 'edited', 'added', 'approved', 'hidden',
    'answered', 'reuse_allowed', 'reuse_withdrawn', 'reuse_marked', 'reuse_unmarked', 'erased')),
  actor     text        not null,
  text      text        not null check (length(text) <= 500),
  primary key (shop_id, review_id, entry_id),
  foreign key (shop_id, review_id) references reviews.reviews
);
comment on table reviews.story is
  'All that happened to a review, read by staff: the reason of a hiding, the words before an edit or a new answer.';
select kernel.tenant_table('reviews.story');
revoke delete on reviews.story from siyu_app;

create table reviews.pictures (
  shop_id     int         not null,
  picture_id  uuid        not null,
  member_id   uuid        not null,
  review_id   uuid,
  part        text        check (part in ('first', 'more')),
  position    smallint    check (position between 0 and 8),
  width       int         not null check (width > 0),
  height      int         not null check (height > 0),
  uploaded_at timestamptz not null,
  home_id uuid,
  primary key (shop_id, picture_id),
  constraint nine_pictures unique (shop_id, review_id, part, position),
  foreign key (shop_id, review_id, part) references reviews.posts,
  check ((review_id is null) = (position is null) and (review_id is null) = (part is null))
);
comment on table reviews.pictures is
  'Re-encoded pictures; files lie in data_dir/reviews and are handed out only while they may be seen. Without a review: thrown away after a day.';
create index picture_waiting on reviews.pictures (uploaded_at) where review_id is null;
create index picture_of_member on reviews.pictures (shop_id, member_id) where review_id is null;
comment on column reviews.pictures.home_id is 'The record it came with, when a merge gave it to another; null: member_id.';
create index pictures_home on reviews.pictures (shop_id, home_id) where home_id is not null;
select kernel.tenant_table('reviews.pictures', worker => true);

create table reviews.votes (
  shop_id   int         not null,
  review_id uuid        not null,
  member_id uuid        not null,
  voted_at  timestamptz not null,
  home_id uuid,
  primary key (shop_id, review_id, member_id),
  foreign key (shop_id, review_id) references reviews.reviews
);
comment on table reviews.votes is 'Who found a review helpful, each once; their number is kept in the review.';
create index vote_of_member on reviews.votes (shop_id, member_id);
comment on column reviews.votes.home_id is 'The record it came with, when a merge gave it to another; null: member_id.';
create index votes_home on reviews.votes (shop_id, home_id) where home_id is not null;
select kernel.tenant_table('reviews.votes');

create table reviews.figures (
  shop_id       int    not null,
  product_id    uuid   not null,
  star_1        int    not null default 0 check (star_1 >= 0),
  star_2        int    not null default 0 check (star_2 >= 0),
  star_3        int    not null default 0 check (star_3 >= 0),
  star_4        int    not null default 0 check (star_4 >= 0),
  star_5        int    not null default 0 check (star_5 >= 0),
  with_pictures int    not null default 0,
  primary key (shop_id, product_id),
  check (with_pictures between 0 and star_1 + star_2 + star_3 + star_4 + star_5)
) with (fillfactor = 70);
comment on table reviews.figures is
  'Shown reviews of a product by stars, moved by differences in the transaction that shows or hides one: never counted anew.';
select kernel.tenant_table('reviews.figures');
