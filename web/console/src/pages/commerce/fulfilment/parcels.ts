import type { components } from '@/api/schema'

type Line = components['schemas']['ConsignmentLine']

/** Pieces of a line that are still to leave. */
export const left = (line: Line): number => line.quantity - line.sent - line.cancelled

/** Letters, digits and hyphens, as the server takes them. */
export const isTrackingNo = (text: string): boolean => /^[0-9A-Za-z-]{4,64}$/.test(text.trim())
