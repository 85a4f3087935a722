create schema official_account;

create table official_account.accounts (
  shop_id int primary key,
  environment text not null check (environment in ('real', 'sandbox')),
  app_id text not null check (app_id ~ '^wx[0-9a-zA-Z]{6,30}$'),
  secret_sealed bytea not null,
  token_sealed bytea,
  aes_key_sealed bytea,
  updated_at timestamptz not null,
  check ((token_sealed is null) = (aes_key_sealed is null))
);
comment on table official_account.accounts is 'The official account of a shop and how it is reached.';
comment on column official_account.accounts.environment is 'real: WeChat itself; sandbox: the local WeChat of this installation.';
comment on column official_account.accounts.secret_sealed is 'AppSecret; encrypted by the vault.';
comment on column official_account.accounts.token_sealed is 'What proves pushed messages; encrypted by the vault. Null: nothing is pushed.';
comment on column official_account.accounts.aes_key_sealed is 'EncodingAESKey; encrypted by the vault.';
select kernel.tenant_table('official_account.accounts');
