create schema wecom;

create table wecom.corps (
  shop_id int primary key,
  environment text not null check (environment in ('real', 'sandbox')),
  corp_id text not null check (corp_id ~ '^w[wx][0-9a-zA-Z]{6,40}$'),
  agent_id text not null check (agent_id ~ '^[0-9]{1,12}$'),
  secret_sealed bytea not null,
  token_sealed bytea,
  aes_key_sealed bytea,
  updated_at timestamptz not null,
  check ((token_sealed is null) = (aes_key_sealed is null))
);
comment on table wecom.corps is 'The WeCom corporation of a shop and how it is reached.';
comment on column wecom.corps.environment is 'real: WeChat itself; sandbox: the local WeChat of this installation.';
comment on column wecom.corps.agent_id is 'The self-built app, listed under 客户联系 → 可调用接口的应用.';
comment on column wecom.corps.secret_sealed is 'Secret of the self-built app; encrypted by the vault.';
comment on column wecom.corps.token_sealed is 'What proves pushed messages; encrypted by the vault. Null: nothing is pushed.';
comment on column wecom.corps.aes_key_sealed is 'EncodingAESKey; encrypted by the vault.';
select kernel.tenant_table('wecom.corps');
