// The trial balance and the checks of a proof, grouped as the page shows them.
import type { components } from '@/api/schema'

type Schemas = components['schemas']
export interface AssetTable {
  asset: string
  lines: Schemas['TrialLine'][]
  total: Schemas['TrialTotal']
}
export interface DomainChecks {
  domain: string
  checks: Schemas['Check'][]
  violations: number
}

/** One table per asset, the shop's own currency first; books that never moved are left out. */
export function tablesOf(trial: Schemas['TrialBalance'], currency: string): AssetTable[] {
  const rank = (asset: string): number => (asset === currency ? 0 : asset === 'POINT' ? 2 : 1)
  return trial.totals
    .map((total) => ({ asset: total.asset, total, lines: trial.lines.filter((line) => line.asset === total.asset) }))
    .sort((a, b) => rank(a.asset) - rank(b.asset) || a.asset.localeCompare(b.asset))
}

/** The checks of each domain in the order they were made, broken domains first. */
export function checksOf(checks: Schemas['Check'][]): DomainChecks[] {
  const domains = [...new Set(checks.map((check) => check.domain))]
  return domains
    .map((domain) => {
      const own = checks.filter((check) => check.domain === domain)
      return { domain, checks: own, violations: own.reduce((sum, check) => sum + check.violations, 0) }
    })
    .sort((a, b) => Number(b.violations > 0) - Number(a.violations > 0))
}

/** As books are written: what is debited above what is credited, else in the order of the entry. */
export const debitsFirst = <T extends { amount: number }>(legs: T[]): T[] => [...legs.filter((leg) => leg.amount > 0), ...legs.filter((leg) => leg.amount <= 0)]
