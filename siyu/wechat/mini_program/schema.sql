create schema mini_program;

create table mini_program.message_push (
  shop_id int primary key,
  app_id text not null check (app_id ~ '^wx[0-9a-zA-Z]{6,30}$'),
  token_sealed bytea not null,
  aes_key_sealed bytea not null,
  updated_at timestamptz not null
);
comment on table mini_program.message_push is
  'How the messages that WeChat pushes to a shop''s address are proven and opened.';
comment on column mini_program.message_push.token_sealed is 'The token of the platform''s page; encrypted by the vault.';
comment on column mini_program.message_push.aes_key_sealed is 'EncodingAESKey; encrypted by the vault.';
select kernel.tenant_table('mini_program.message_push');
