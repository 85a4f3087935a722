create schema mini_program;

create table mini_program.access_tokens (
  shop_id int not null,
  app_id text not null,
  sealed_token bytea,
  expires_at timestamptz,
  lease_id uuid,
  lease_until timestamptz,
  primary key (shop_id, app_id),
  check ((sealed_token is null) = (expires_at is null)),
  check ((lease_id is null) = (lease_until is null))
);
comment on table mini_program.access_tokens is
  'The access token of a shop''s app, and who is asking for a new one. One row per app.';
comment on column mini_program.access_tokens.sealed_token is 'Encrypted by the vault.';
comment on column mini_program.access_tokens.lease_id is
  'The asker. Only the holder writes the answer; a lease that has run out may be taken over.';
select kernel.tenant_table('mini_program.access_tokens');
