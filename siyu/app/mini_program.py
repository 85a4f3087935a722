"""Hands the built mini-program to a merchant: appid and server address written in, for DevTools."""

import json
import shutil
from pathlib import Path

import siyu
from siyu.app import processes
from siyu.kernel import config, db
from siyu.kernel.errors import Conflict, NotFound
from siyu.merchant.shops import service as shops

BUILT = Path(siyu.__file__).parent / "web" / "mp-weixin"


class NotBuilt(NotFound):
    """The package was made without its front ends."""

    code = "mini_program.not_built"
    zh = "未找到已编译的小程序,请先运行 make web"
    en = "The built mini-program is missing; run `make web`"


class TargetTaken(Conflict):
    """The target folder holds something already."""

    code = "mini_program.target_taken"
    zh = "目标文件夹 {target} 不是空的"
    en = "The folder {target} is not empty"


async def export(target: Path, shop_code: str) -> None:
    """Copy the mini-program to `target`, an empty or new folder."""
    if not BUILT.exists():
        raise NotBuilt
    if target.exists() and any(target.iterdir()):
        raise TargetTaken(target=str(target))
    settings = config.settings()
    async with processes.connected(settings):
        shop = await shops.resolve_shop(shop_code)
        if shop is None:
            raise NotFound
        async with db.reading(shop.shop_id) as tx:
            credentials = await shops.mini_program_credentials(tx)
    shutil.copytree(BUILT, target, dirs_exist_ok=True)
    project_file = target / "project.config.json"
    project = json.loads(project_file.read_text("utf-8"))
    project["appid"] = credentials.appid
    project_file.write_text(json.dumps(project, indent=2, ensure_ascii=False), "utf-8")
    api = json.dumps({"apiHost": settings.public_url, "shopCode": shop_code})
    (target / "config.js").write_text(f"exports.config = {api}\n", "utf-8")
