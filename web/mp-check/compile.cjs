/**
 * What WeChat would refuse, found without WeChat: every page has its files, its own compilers (wcc for WXML, wcsc for
 * WXSS) accept them, and the packages stay below the limits. Fails with the reason.
 */
const { readdirSync, readFileSync, statSync, existsSync } = require('node:fs')
const { join, resolve } = require('node:path')
const { wxmlToJs, wxssToJs } = require('miniprogram-compiler')

const root = resolve(process.env.MP_ROOT ?? join(__dirname, '../shop/dist/mp-weixin'))
const MAIN_LIMIT = 1.5 * 1024 * 1024 // WeChat's own is 2 MB
const SUB_LIMIT = 2 * 1024 * 1024

// Both compilers write into the globals of a WeChat page.
global.window = global
global.__wxAppCode__ = {}

const problems = []
const files = readdirSync(root, { recursive: true, encoding: 'utf8' }).filter((name) => statSync(join(root, name)).isFile())
const sizeOf = (names) => names.reduce((sum, name) => sum + statSync(join(root, name)).size, 0)

const app = JSON.parse(readFileSync(join(root, 'app.json'), 'utf8'))
const subPackages = app.subPackages ?? []
const pages = [...app.pages, ...subPackages.flatMap(({ root: folder, pages: own }) => own.map((page) => `${folder}/${page}`))]
for (const page of pages)
  for (const kind of ['js', 'json', 'wxml'])
    if (!existsSync(join(root, `${page}.${kind}`))) problems.push(`${page}.${kind} is missing`)
for (const { iconPath, selectedIconPath } of app.tabBar.list)
  for (const icon of [iconPath, selectedIconPath]) if (!existsSync(join(root, icon))) problems.push(`${icon} is missing`)

for (const [name, compile] of [['wcc', wxmlToJs], ['wcsc', wxssToJs]]) {
  try {
    const code = compile(root)
    if (!code) problems.push(`${name} made nothing`)
    else if (name === 'wcc') new Function(code)
  } catch (cause) {
    problems.push(`${name}: ${cause.message ?? cause}`)
  }
}
const foreign = /url\(["']?(?:https?:)?\/\//
for (const name of files.filter((one) => one.endsWith('.wxss')))
  if (foreign.test(readFileSync(join(root, name), 'utf8'))) problems.push(`${name} loads from a foreign host`)

const inSub = (name) => subPackages.some((sub) => name.startsWith(`${sub.root}/`))
const main = sizeOf(files.filter((name) => !inSub(name)))
if (main > MAIN_LIMIT) problems.push(`the main package has ${main} bytes, more than ${MAIN_LIMIT}`)
for (const sub of subPackages) {
  const size = sizeOf(files.filter((name) => name.startsWith(`${sub.root}/`)))
  if (size > SUB_LIMIT) problems.push(`the package ${sub.root} has ${size} bytes, more than ${SUB_LIMIT}`)
}

for (const problem of problems) console.error(problem)
if (problems.length) process.exit(1)
console.log(`${pages.length} pages compiled; main package ${(main / 1024).toFixed(0)} KB`)
