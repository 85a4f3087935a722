create schema transport;

create table transport.access_tokens (
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
comment on table transport.access_tokens is
  'The access token of a shop''s app or corporation, and who is asking for a new one. One row per account.';
comment on column transport.access_tokens.sealed_token is 'Encrypted by the vault.';
comment on column transport.access_tokens.lease_id is
  'The asker. Only the holder writes the answer; a lease that has run out may be taken over.';
select kernel.tenant_table('transport.access_tokens');
