// The guard of stored value: how large a bonus is, as the back end measures it.

/** Bonus in basis points of the principal; null while nothing is paid in. */
export const ratioOf = (amount_fen: number | null, bonus_fen: number | null): number | null =>
  amount_fen ? Math.floor(((bonus_fen ?? 0) * 10_000) / amount_fen) : null

/** Above the guard an offer needs a reason: exact in fen, not in rounded percent. */
export const isOverGuard = (amount_fen: number | null, bonus_fen: number | null, limit_bps: number): boolean =>
  !!amount_fen && (bonus_fen ?? 0) * 10_000 > amount_fen * limit_bps
