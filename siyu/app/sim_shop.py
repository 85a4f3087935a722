"""The shop of a simulation: opened by the verbs a merchant uses, with prices that hurt."""

import io
import random
from collections.abc import Sequence

import msgspec
from PIL import Image

from siyu.commerce.catalog import service as catalog
from siyu.commerce.catalog.contracts import ProductDraft, ProductKind, SkuDraft
from siyu.kernel.audit import System
from siyu.kernel.db import system_transaction, transaction
from siyu.kernel.ids import ShopId
from siyu.merchant.shops import service as shops
from siyu.merchant.shops.contracts import Environment, WeChatChange
from siyu.merchant.staff import service as staff
from siyu.merchant.staff.contracts import Role
from siyu.sandbox.client import SandboxClient

# Prices whose thirds and tenths do not come out even, two alike, the smallest, nothing at all.
PRICES_FEN = (1, 2, 99, 100, 333, 1_990, 1_990, 8_800, 12_801, 99_999, 0)
KINDS = (ProductKind.PHYSICAL, ProductKind.PHYSICAL, ProductKind.SERVICE)
PIECES = 60  # few enough to run out


class Shop(msgspec.Struct, frozen=True):
    """Where everything happens."""

    shop_id: ShopId
    code: str
    appid: str
    mchid: str


async def open_shop(
    sandbox: SandboxClient,
    seed: int,
    kinds: Sequence[ProductKind] = KINDS,
    pieces: int = PIECES,
) -> Shop:
    """A shop with goods on its shelf, connected to the sandbox."""
    async with system_transaction() as tx:
        made = await shops.create_shop(tx, System(), code="sim", name="模拟茶铺")
    shop_id = ShopId(made.shop_id)
    given = await sandbox.credentials()
    async with transaction(shop_id) as write:
        await shops.set_wechat(
            write,
            System(),
            WeChatChange(
                environment=Environment.SANDBOX,
                appid=given["appid"],
                mchid=given["mchid"],
                certificate_serial=given["serial_no"],
                public_key_id=given["public_key_id"],
                public_key_pem=given["public_key_pem"],
                app_secret=given["secret"],
                private_key=given["private_key_pem"],
                api_v3_key=given["api_v3_key"],
            ),
        )
    await fill_shelf(shop_id, random.Random(f"goods {seed}"), PRICES_FEN, kinds, pieces)
    return Shop(shop_id, made.code, given["appid"], given["mchid"])


async def fill_shelf(
    shop_id: ShopId,
    dice: random.Random,
    prices_fen: Sequence[int],
    kinds: Sequence[ProductKind],
    pieces: int,
) -> None:
    """A product of each price, of one of the kinds, at most so many pieces of each."""
    picture = io.BytesIO()
    Image.new("RGB", (8, 8)).save(picture, "PNG")
    prepared = await catalog.prepare_image(picture.getvalue())
    async with transaction(shop_id) as tx:
        image = await catalog.keep_image(tx, prepared)
        for price_fen in prices_fen:
            draft = ProductDraft(
                title=f"茶 {price_fen}",
                kind=dice.choice(kinds),
                image_urls=[image.url],
                skus=[SkuDraft(price_fen=price_fen, stock=dice.randint(pieces // 20, pieces))],
            )
            product_id = await catalog.create_product(tx, System(), draft)
            await catalog.set_shelf(tx, System(), product_id, True)


async def hire(shop_id: ShopId, login_name: str, password: str) -> None:
    """Somebody who may do everything at the console."""
    hashed = await staff.hash_password(password, login_name)
    async with system_transaction(shop_id) as tx:
        await staff.add_staff(
            tx,
            System(),
            login_name=login_name,
            name=login_name,
            password_hash=hashed,
            role=Role.OWNER,
        )


async def make_people(sandbox: SandboxClient, count: int, seed: int) -> list[str]:
    """People of the sandbox; their person_ids."""
    dice = random.Random(f"people {seed}")
    return [
        await sandbox.add_person(f"会员{number}", f"139{dice.randrange(10**8):08d}")
        for number in range(count)
    ]
