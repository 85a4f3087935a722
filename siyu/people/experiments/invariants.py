"""Truths of experiments: each query returns no rows. Run by a role that sees every shop."""

INVARIANTS = {
    "experiments of one layer never share a person": """
        select a.shop_id, a.experiment_id from experiments.experiments a
        join experiments.experiments b on b.shop_id = a.shop_id and b.layer = a.layer
          and b.experiment_id <> a.experiment_id
        where a.state = 'running' and b.state = 'running' and a.slot_from >= b.slot_from
          and a.slot_from < b.slot_from + b.share_bps""",
    "whoever was shown an arm was given it with its probability": """
        select shop_id, experiment_id, person_no from experiments.assignments a
        left join experiments.experiments e using (shop_id, experiment_id)
        where e.state is null or e.state = 'draft' or not exists (
            select from jsonb_array_elements(e.arms) t (one) where one ->> 'key' = a.arm)
          or a.first_at < e.started_at or a.round > e.version""",
    "every exposure that was told has an assignment": """
        select o.shop_id, o.event_id from kernel.outbox o
        left join experiments.experiments e on e.shop_id = o.shop_id
          and e.experiment_no = (o.payload ->> 'experiment_no')::int
        where o.name = 'experiments.exposed' and (e.state is null or not exists (
          select from experiments.assignments a where a.shop_id = o.shop_id
            and a.experiment_id = e.experiment_id and a.arm = o.payload ->> 'arm'
            and a.person_no = (o.payload ->> 'person_no')::bigint))""",
    "the weights of every version add up": """
        select shop_id, experiment_id, version from experiments.versions v
        where 10000 <> (select sum((one ->> 'weight_bps')::int)
          from jsonb_array_elements(v.arms) t (one))
        union all
        select shop_id, experiment_id, version from experiments.experiments e
        where (select sum(w) from unnest(e.weights_bps) w) <> 10000
          or cardinality(e.weights_bps) <> jsonb_array_length(e.arms)""",
    "what runs is its last version": """
        select shop_id, experiment_id from experiments.experiments e
        left join experiments.versions v using (shop_id, experiment_id, version)
        where e.state <> 'draft' and (v.arms is distinct from e.arms
          or v.share_bps is distinct from e.share_bps or v.round is distinct from e.round)""",
    "numbers are dense": """
        select s.shop_id from experiments.settings s
        where s.last_no <> (select count(*) from experiments.experiments e
          where e.shop_id = s.shop_id)""",
}
