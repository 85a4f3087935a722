"""Truths of the catalogue: each query returns no rows. Run by a role that sees every shop."""

INVARIANTS = {
    "what is on the shelf has a picture and a SKU": """
        select shop_id, product_id from catalog.products p
        where status = 'on_shelf' and not (
          exists (select from catalog.product_images i
                  where (i.shop_id, i.product_id, i.position) = (p.shop_id, p.product_id, 0))
          and exists (select from catalog.skus s
                      where (s.shop_id, s.product_id) = (p.shop_id, p.product_id)
                        and s.retired_at is null))""",
    "the price on the card is that of the cheapest SKU": """
        select shop_id, product_id, p.price_fen from catalog.products p
        join (select shop_id, product_id, min(price_fen) as price_fen from catalog.skus
              where retired_at is null group by 1, 2) s using (shop_id, product_id)
        where p.price_fen <> s.price_fen""",
    "product numbers have no gaps": """
        select shop_id, n.last_no, count(p.product_no) from catalog.product_numbers n
        left join catalog.products p using (shop_id)
        group by 1, 2
        having (n.last_no, n.last_no) is distinct from (count(p.product_no), max(p.product_no))""",
    "as many values as options": """
        select s.shop_id, s.sku_id from catalog.skus s
        join catalog.products p using (shop_id, product_id)
        where s.retired_at is null
          and cardinality(s.option_values) <> cardinality(p.option_names)""",
}
