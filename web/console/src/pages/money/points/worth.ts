/** What points give back of a price, in basis points: points earned per yuan, over points that are worth one. */
export const backOf = (rules: { is_enabled: boolean; earned_per_yuan: number; points_per_yuan: number }): number =>
  rules.is_enabled && rules.points_per_yuan ? Math.round((rules.earned_per_yuan * 10_000) / rules.points_per_yuan) : 0
