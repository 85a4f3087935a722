/** @jest-environment jsdom */
const { classed, open, recorded, start, tap, yuan } = require('./world')
const { product } = recorded

let page
beforeAll(async () => {
  start()
  page = await open('commerce/catalog/product', { id: product.product_id })
})

test('a product shows its name, its lowest price and its pictures', () => {
  expect(page.text()).toContain(product.title)
  expect(page.text()).toContain(yuan(Math.min(...product.skus.map((sku) => sku.price_fen))))
  expect(page.find(classed('s-image', 's-image__in')).length).toBeGreaterThanOrEqual(product.images.length)
})

test('its sheet offers every option and takes the choice', async () => {
  await tap(page.find(classed('main', 'cell'))[0])
  for (const { values } of product.options) for (const value of values) expect(page.text()).toContain(value)
  const sku = product.skus.find((one) => one.available > 0)
  for (const value of sku.option_values)
    await tap([...page.find(classed('sku-sheet', 'value'))].find((one) => one.textContent === value))
  expect(page.find(classed('sku-sheet', 'value--on'))).toHaveLength(product.options.length)
  expect(page.text()).toContain(yuan(sku.price_fen))
})
