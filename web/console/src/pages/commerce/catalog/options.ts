// The grid of a product's options: every combination is a SKU; known ones keep what was typed.

export interface SkuDraft {
  sku_id: string | null
  option_values: string[]
  sku_code: string | null
  price_fen: number | null
  market_price_fen: number | null
  member_price_fen: number | null
  floor_fen: number | null
  weight_g: number
  image_url: string | null
  stock: number
}

/** All combinations of the named options, in their order; a product without options is one SKU. */
export function combine(options: { name: string; values: string[] }[], known: SkuDraft[], empty: () => SkuDraft): SkuDraft[] {
  const used = options.filter((o) => o.name.trim() && o.values.length)
  const combinations = used.reduce<string[][]>((rows, o) => rows.flatMap((row) => o.values.map((v) => [...row, v])), [[]])
  return combinations.map((values) => {
    const same = known.find((s) => s.option_values.join('\u0000') === values.join('\u0000'))
    // A new combination starts with the prices of its nearest relative.
    const like = known.find((s) => s.option_values[0] === values[0]) ?? known[0]
    return same ?? { ...empty(), price_fen: like?.price_fen ?? null, market_price_fen: like?.market_price_fen ?? null, member_price_fen: like?.member_price_fen ?? null, weight_g: like?.weight_g ?? 0, option_values: values }
  })
}
