// What a bulk task is to its page.
import { api, data } from '@/api/client'
import type { components } from '@/api/schema'

export type Task = components['schemas']['TaskView']
export type Uploaded = components['schemas']['UploadView']
export type Kind = Task['kind']
/** The permission that a kind needs, as the back end asks for it. */
export const NEEDS: Record<Kind, string> = {
  products_in: 'products.write', stock_in: 'stock.write', orders_in: 'shop.write', products_out: 'products.read', stock_out: 'stock.read', orders_out: 'orders.export',
}
export const COUNTS = ['created', 'changed', 'same', 'refused'] as const
export const isUnderWay = ({ state }: Pick<Task, 'state'>): boolean => state === 'queued' || state === 'running'
/** Whole percent; 100 only when all is done. */
export const percent = ({ done_lines, total_lines }: Pick<Task, 'done_lines' | 'total_lines'>): number => (total_lines ? Math.floor((done_lines * 100) / total_lines) : 0)
/** The first row's words under a column. */
export const sampleOf = (uploaded: Pick<Uploaded, 'sample'>, place: number): string => uploaded.sample.map((row) => row[place] ?? '').find(Boolean) ?? ''

/** Upload a file as the routes of bulk work take it. */
export async function sendFile<T>(path: string, file: File): Promise<T> {
  const body = new FormData()
  body.append('file', file)
  return (await data(api.POST(path as '/admin/v1/images', { body: body as never, bodySerializer: (form: unknown) => form as FormData }))) as unknown as T
}
