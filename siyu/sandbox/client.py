"""A person without a browser: what simulated customers and tests use to act in the sandbox."""

from typing import Any, Self

import httpx

from siyu.sandbox.people import Method, Outcome, PhoneError


class SandboxClient:
    """Speaks `/_sandbox`; one per program, closed by its owner (`async with`).

    Methods of people raise PhoneError when the phone would tell the page that it failed, and
    httpx.HTTPStatusError when the sandbox does not know whom or what is meant.
    """

    def __init__(self, url: str, transport: httpx.AsyncBaseTransport | None = None) -> None:
        # Without it each client reads all certificates of the machine, and none is needed.
        verify = url.startswith("https:")
        self._http = httpx.AsyncClient(
            base_url=url, transport=transport, trust_env=False, verify=verify
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._http.aclose()

    async def call(self, method: str, path: str, body: Any = None) -> Any:
        """One request below `/_sandbox`; the JSON of the answer, None when it has none."""
        answer = await self._http.request(method, f"/_sandbox{path}", json=body)
        if answer.status_code == 409:
            raise PhoneError(answer.json()["errMsg"])
        answer.raise_for_status()
        return answer.json() if answer.content else None

    async def credentials(self, mchid: str | None = None) -> dict[str, Any]:
        """All that a shop needs to be configured with."""
        path = "/credentials" + (f"?mchid={mchid}" if mchid else "")
        return dict(await self.call("GET", path))

    async def add_person(self, name: str, phone: str, *, listed: bool = False) -> str:
        """Somebody new, not offered on the phone's page unless `listed`; returns the person_id."""
        body = {"name": name, "phone": phone, "listed": listed}
        person = await self.call("POST", "/people", body)
        return str(person["person_id"])

    async def login_code(self, person_id: str, appid: str) -> str:
        """What wx.login gives the page."""
        answer = await self.call("POST", f"/people/{person_id}/login-code", {"appid": appid})
        return str(answer["code"])

    async def phone_code(self, person_id: str, appid: str) -> str:
        """What getPhoneNumber gives the page when the person allows it."""
        answer = await self.call("POST", f"/people/{person_id}/phone-code", {"appid": appid})
        return str(answer["code"])

    async def pay(
        self,
        person_id: str,
        prepay_id: str,
        *,
        outcome: Outcome = "success",
        method: Method = "card",
    ) -> dict[str, Any]:
        """Pay a prepay_id (bare) or code_url; {transaction_id, amount_fen, out_trade_no}."""
        body = {"prepay_id": prepay_id, "outcome": outcome, "method": method}
        return dict(await self.call("POST", f"/people/{person_id}/pay", body))

    async def request_payment(
        self, person_id: str, appid: str, args: dict[str, str], *, outcome: Outcome = "success"
    ) -> dict[str, Any]:
        """wx.requestPayment as the page calls it: paySign is checked, then the sheet is used."""
        body = {"appid": appid, "args": args}
        sheet = await self.call("POST", f"/people/{person_id}/pay-sheet", body)
        return await self.pay(person_id, sheet["ticket"], outcome=outcome)

    async def confirm_transfer(
        self, person_id: str, package_info: str, *, accepts: bool = True
    ) -> dict[str, Any]:
        """wx.requestMerchantTransfer: take the money (or agree to need no confirming), or not."""
        body = {"package": package_info, "accepts": accepts}
        return dict(await self.call("POST", f"/people/{person_id}/transfer", body))

    async def confirm_receipt(self, person_id: str, transaction_id: str) -> None:
        """The buyer confirms in WeChat that an order has come."""
        body = {"transaction_id": transaction_id}
        await self.call("POST", f"/people/{person_id}/confirm-receipt", body)

    async def accounts(self, kind: str) -> list[dict[str, Any]]:
        """What a shop needs for its official accounts or corporations (`contacts.AccountView`)."""
        return list(await self.call("GET", f"/accounts?kind={kind}"))

    async def set_push(self, account: str, url: str, token: str, aes_key: str) -> None:
        """Have an account's messages go to a server; PhoneError when it fails the check."""
        body = {"url": url, "token": token, "aes_key": aes_key}
        await self.call("PUT", f"/accounts/{account}/push", body)

    async def templates(self, account: str) -> dict[str, str]:
        """template_id by title."""
        found = await self.call("GET", f"/accounts/{account}/templates")
        return {one["title"]: one["template_id"] for one in found}

    async def answer_subscription(
        self,
        person_id: str,
        appid: str,
        template_ids: list[str],
        accepted: list[str] | None = None,
        *,
        always: bool = False,
    ) -> dict[str, str]:
        """wx.requestSubscribeMessage: accept all, or those of `accepted`; template_id -> answer."""
        body = {
            "appid": appid,
            "template_ids": template_ids,
            "accepted": template_ids if accepted is None else accepted,
            "always": always,
        }
        return dict(await self.call("POST", f"/people/{person_id}/subscribe", body))

    async def follow(self, person_id: str, account: str, scene: str = "") -> str:
        """Follow an official account; the openid."""
        body = {"account": account, "scene": scene}
        return str((await self.call("POST", f"/people/{person_id}/follow", body))["openid"])

    async def unfollow(self, person_id: str, account: str) -> None:
        """Follow it no more."""
        await self.call("POST", f"/people/{person_id}/unfollow", {"account": account})

    async def say(self, person_id: str, chat: str, text: str) -> None:
        """Write to `oa:<appid>`, `care:<appid>` or `wecom:<corpid>:<userid>`."""
        await self.call("POST", f"/people/{person_id}/say", {"chat": chat, "text": text})

    async def add_staff(self, person_id: str, account: str, userid: str, state: str = "") -> str:
        """Become a customer of a member of staff; the external_userid."""
        body = {"account": account, "userid": userid, "state": state}
        answer = await self.call("POST", f"/people/{person_id}/add-staff", body)
        return str(answer["external_userid"])

    async def press_send(self, account: str, msgid: str, userid: str) -> int:
        """A member of staff sends their part of a mass message; how many customers got it."""
        path = f"/wecom/{account}/tasks/{msgid}/send"
        return int((await self.call("POST", path, {"userid": userid}))["sent"])

    async def messages(self, person_id: str, chat: str) -> list[dict[str, Any]]:
        """What stands in a chat of the phone, oldest first."""
        found = await self.call("GET", f"/people/{person_id}/messages")
        return [one for one in found if one["chat"] == chat]

    async def bank(self, mchid: str, after: int = 0) -> dict[str, Any]:
        """A merchant's money and movements (`bank.BankView`)."""
        return dict(await self.call("GET", f"/bank/{mchid}?after={after}"))

    async def deposit(self, mchid: str, fen: int) -> None:
        """Pay into a merchant's available balance, or take out if negative."""
        await self.call("POST", f"/bank/{mchid}/deposit", {"fen": fen})

    async def order_fault(
        self,
        kind: str,
        operation: str = "notify",
        *,
        times: int | None = 1,
        mchid: str | None = None,
        **options: Any,
    ) -> int:
        """Let something go wrong; see `faults.KINDS`. Returns the fault_id."""
        body = {
            "kind": kind,
            "operation": operation,
            "times": times,
            "mchid": mchid,
            "options": options,
        }
        fault = await self.call("POST", "/faults", body)
        return int(fault["fault_id"])

    async def deliver(self) -> int:
        """Deliver the notifications that are due and wait for the answers."""
        return int((await self.call("POST", "/notifications/deliver"))["delivered"])

    async def notifications(self, out_trade_no: str | None = None) -> list[dict[str, Any]]:
        """The newest notifications with every try."""
        path = "/notifications" + (f"?out_trade_no={out_trade_no}" if out_trade_no else "")
        return list(await self.call("GET", path))
