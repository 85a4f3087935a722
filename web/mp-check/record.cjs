/** Records the answers the tests replay: `npm run record -- http://127.0.0.1:8000 tea`. */
const { writeFileSync } = require('node:fs')
const { join } = require('node:path')

const [origin, shop] = process.argv.slice(2)
const ask = async (path) => {
  const answer = await fetch(origin + path, { headers: { 'X-Siyu-Shop': shop, 'Accept-Language': 'zh-CN' } })
  if (!answer.ok) throw new Error(`${path}: ${answer.status}`)
  return answer.json()
}
const keep = (name, value) => writeFileSync(join(__dirname, 'recorded', `${name}.json`), `${JSON.stringify(value, null, 2)}\n`)

async function main() {
  const home = await ask('/shop/v1/home')
  keep('home', home)
  keep('product', await ask(`/shop/v1/products/${home.hot[0].product_id}`))
  keep('consents', await ask('/shop/v1/consents'))
}
main().catch((cause) => {
  console.error(String(cause))
  process.exit(1)
})
