create schema metrics;

create table metrics.north_star (
  shop_id int primary key,
  key text not null check (length(key) between 1 and 40),
  goal bigint check (goal > 0),
  chosen_at timestamptz not null
);
comment on table metrics.north_star is 'The figure a shop steers by; none chosen: GMV.';
comment on column metrics.north_star.key is 'A key of the catalogue that has a tree.';
comment on column metrics.north_star.goal is 'Wanted per seven days, in the unit of the figure.';
select kernel.tenant_table('metrics.north_star');
