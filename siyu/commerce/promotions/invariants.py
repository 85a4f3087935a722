"""Truths of pricing: each query returns no rows. Run by a role that sees every shop."""

INVARIANTS = {
    "what prices go by stands under a revision": """
        select shop_id from promotions.campaigns where state = 'running'
        union select shop_id from promotions.shipping_templates
        except select shop_id from promotions.settings""",
    "what was simulated is a version that was": """
        select shop_id, campaign_id from promotions.campaigns
        where simulated_version > version
           or (simulated_version is null) <> (simulation is null)
           or (simulated_version is null) <> (simulated_at is null)""",
}
