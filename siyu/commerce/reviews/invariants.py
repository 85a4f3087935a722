"""Truths of reviews: each query returns no rows. Run by a role that sees every shop.

The last one looks into `ordering`, whose promise this domain builds on.
"""

INVARIANTS = {
    "a product's figures are those of its shown reviews": """
        with counted as (
          select shop_id, product_id,
            array[count(*) filter (where stars = 1), count(*) filter (where stars = 2),
              count(*) filter (where stars = 3), count(*) filter (where stars = 4),
              count(*) filter (where stars = 5)] as stars,
            count(*) filter (where picture_count > 0) as pictured
          from reviews.reviews where is_shown group by 1, 2)
        select shop_id, product_id from reviews.figures f
        full join counted c using (shop_id, product_id)
        where array[coalesce(star_1, 0), coalesce(star_2, 0), coalesce(star_3, 0),
            coalesce(star_4, 0), coalesce(star_5, 0)]::bigint[]
            <> coalesce(c.stars, '{0,0,0,0,0}')
          or coalesce(f.with_pictures, 0) <> coalesce(c.pictured, 0)""",
    "shown is what was let through": """
        select shop_id, review_id from reviews.reviews r
        where r.is_shown <> exists (select from reviews.posts p
          where p.shop_id = r.shop_id and p.review_id = r.review_id and p.part = 'first'
            and p.state = 'approved')""",
    "every review has a first part and its story": """
        select shop_id, review_id from reviews.reviews r
        where not exists (select from reviews.posts p where p.shop_id = r.shop_id
            and p.review_id = r.review_id and p.part = 'first')
          or not exists (select from reviews.story s where s.shop_id = r.shop_id
            and s.review_id = r.review_id and s.event = 'submitted')""",
    "helpful is how many said so": """
        select shop_id, review_id from reviews.reviews r
        where r.helpful_count <> (select count(*) from reviews.votes v
          where v.shop_id = r.shop_id and v.review_id = r.review_id)""",
    "pictures are their author's, and counted": """
        select shop_id, review_id from reviews.reviews r
        left join (select shop_id, review_id, count(*) filter (where part = 'first') as pictures,
                     array_agg(distinct member_id) as owners
                   from reviews.pictures where review_id is not null group by 1, 2) p
          using (shop_id, review_id)
        where r.picture_count <> coalesce(p.pictures, 0) or p.owners <> array[r.member_id]""",
    "who reviews has bought it from us": """
        select r.shop_id, r.review_id from reviews.reviews r
        left join ordering.orders o using (shop_id, order_id)
        left join ordering.order_lines l using (shop_id, order_id, line_no)
        where r.person_no is not null and (
          (o.member_id is distinct from r.member_id and o.home_id is null and r.home_id is null)
          or o.source <> 'shop' or o.completed_at is null or l.sku_id <> r.sku_id)""",
}
