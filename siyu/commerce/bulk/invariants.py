"""Truths of bulk work: each query returns no rows. Run by a role that sees every shop."""

INVARIANTS = {
    "every line dealt with is counted once": """
        select shop_id, task_id from bulk.tasks
        where kind like '%_in' and done_lines
            <> created_count + changed_count + same_count + refused_count
          and state in ('done', 'queued', 'draft')""",
    "a run that is done has dealt with all its lines": """
        select shop_id, task_id from bulk.tasks
        where state = 'done' and done_lines <> total_lines""",
    "every refused line stands in the report": """
        select t.shop_id, t.task_id from bulk.tasks t
        where t.refused_count <> (select count(distinct r.line_no) from bulk.refusals r
          where r.shop_id = t.shop_id and r.task_id = t.task_id)""",
}
