"""VICIdial's non_agent_api.php on loopback: what docs/NON-AGENT_API.txt says add_lead and update_lead are answered.

It keeps leads, a hopper and promised calls as VICIdial does, its slips included: no key on a lead's own code, and of
several leads with one code the newest alone leaves the hopper. A failed login is answered with the password.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from urllib.parse import parse_qsl

from tests.openapi.checker import Asked, Said
from tests.standins.scripted import Standin

USER_ENV, PASSWORD_ENV = "MULTIWAVE_TEST_VICI_USER", "MULTIWAVE_TEST_VICI_PASS"
USER, PASSWORD = "apiuser", "s3cret-word"
PATH = "/vicidial/non_agent_api.php"
DIALLED = ("NEW", "CBHOLD", "NA")


@dataclass
class Lead:
    id: int
    code: str
    phone: str
    list: str
    status: str
    form: dict[str, str]


@dataclass
class Dialler:
    """Leads by list, who is in the hopper with which status, and whose call is promised when and by whom."""

    leads: list[Lead] = field(default_factory=list)
    hopper: dict[int, str] = field(default_factory=dict)
    callbacks: dict[int, tuple[str, str, str]] = field(default_factory=dict)
    lists: set[str] = field(default_factory=lambda: {"998", "999"})
    agents: set[str] = field(default_factory=lambda: {"ann"})
    dnc: set[str] = field(default_factory=set)
    has_hopper_words: bool = True
    allowed: bool = True
    before: Callable[[dict[str, str]], None] | None = None
    """Called with every form, before it is answered."""

    def codes(self) -> Counter[str]:
        return Counter(lead.code for lead in self.leads)

    def dialable(self) -> set[str]:
        """The codes that it may yet dial."""
        return {lead.code for lead in self.leads if lead.status in DIALLED or lead.id in self.hopper}

    def put(self, code: str, phone: str, into: str = "998", status: str = "NEW") -> Lead:
        made = Lead(len(self.leads) + 1, code, phone, into, status, {})
        self.leads.append(made)
        return made

    def respond(self, asked: Asked, accepts: bool) -> Said:
        form = dict(parse_qsl(asked.body.decode(), keep_blank_values=True))
        if self.before is not None:
            self.before(form)
        if (form.get("user"), form.get("pass")) != (USER, PASSWORD):
            refused = "ERROR: Login incorrect, please try again"
            return _text(f"{refused}: |{form.get('user')}|{form.get('pass')}|BAD|")
        if not 2 <= len(form.get("source", "")) <= 20:
            return _text(f"ERROR: Invalid Source - {form.get('source')}")
        if form.get("function") == "add_lead":
            return self._add(form, accepts)
        if form.get("function") == "update_lead":
            return self._update(form, accepts)
        return _text("ERROR: NO FUNCTION SPECIFIED")

    def _add(self, form: dict[str, str], accepts: bool) -> Said:
        phone, into = form["phone_number"], form["list_id"]
        if not self.allowed:
            return _text(f"ERROR: add_lead USER DOES NOT HAVE PERMISSION TO ADD LEADS TO THE SYSTEM: |{USER}|0|")
        if form.get("list_exists_check") == "Y" and into not in self.lists:
            return _text(f"ERROR: add_lead NOT A DEFINED LIST ID, LIST EXISTS CHECK ENABLED - {phone}|{into}")
        if not 6 <= len(phone) <= 16:
            return _text(f"ERROR: add_lead INVALID PHONE NUMBER LENGTH - {phone}|{USER}")
        if form.get("dnc_check") == "Y" and phone in self.dnc:
            return _text(f"ERROR: add_lead PHONE NUMBER IN DNC - {phone}|{USER}")
        twin = next((one for one in self.leads if (one.phone, one.list) == (phone, into)), None)
        if "DUPLIST" in form.get("duplicate_check", "") and twin is not None:
            return _text(f"ERROR: add_lead DUPLICATE PHONE NUMBER IN LIST - {phone}|{into}|{twin.id}")
        promised = form.get("callback") == "Y"
        number = len(self.leads) + 1
        lines = [f"SUCCESS: add_lead LEAD HAS BEEN ADDED - {phone}|{into}|{number}|-5|{USER}"]
        lead = Lead(number, form["vendor_lead_code"], phone, into, "CBHOLD" if promised else "NEW", form)
        if accepts:
            self.leads.append(lead)
        if promised:
            lines.append(self._promise("add_lead", lead, form, accepts))
        return _text(*lines)

    def _promise(self, function: str, lead: Lead, form: dict[str, str], accepts: bool) -> str:
        campaign, agent = form.get("campaign_id", ""), form.get("callback_user", "")
        of_one = form.get("callback_type") == "USERONLY"
        if of_one and agent not in self.agents:
            return f"NOTICE: {function} SCHEDULED CALLBACK NOT ADDED, USER NOT VALID - {lead.id}|{campaign}|{agent}|"
        if not campaign:
            return f"NOTICE: {function} SCHEDULED CALLBACK NOT ADDED, CAMPAIGN NOT VALID - {lead.id}|{campaign}"
        if accepts:
            self.callbacks[lead.id] = (form["callback_datetime"], form["callback_type"], agent if of_one else "")
        return f"NOTICE: {function} SCHEDULED CALLBACK ADDED - {lead.id}|{campaign}|{form['callback_datetime']}"

    def _update(self, form: dict[str, str], accepts: bool) -> Said:
        by_id = "LEAD_ID" in form.get("search_method", "LEAD_ID") and form.get("lead_id")
        code, found = form.get("vendor_lead_code", ""), list[Lead]()
        for lead in reversed(self.leads):
            here = form.get("search_location") != "LIST" or lead.list == form.get("list_id")
            if here and (str(lead.id) == by_id if by_id else lead.code == code):
                found.append(lead)
        found = found[: int(form.get("records", "1"))]
        if form.get("no_update") == "Y" and found:
            one = found[0]
            return _text(f"NOTICE: update_lead LEADS FOUND IN THE SYSTEM: |{USER}|{one.id}|{code}||{one.list}|0")
        if not found:
            kind = "NOTICE" if form.get("no_update") == "Y" else "ERROR"
            return _text(f"{kind}: update_lead NO MATCHES FOUND IN THE SYSTEM: |{USER}||{code}|")
        lines = []
        for lead in found:
            if "status" in form:
                lines.append(f"SUCCESS: update_lead LEAD HAS BEEN UPDATED - {USER}|{lead.id}|1|0|0|")
                lead.status = form["status"] if accepts else lead.status
            if form.get("callback") == "Y":
                lines.append(self._promise("update_lead", lead, form, accepts))
            if form.get("callback") == "REMOVE":
                lines.append(f"NOTICE: update_lead SCHEDULED CALLBACK DELETED - {USER}|{lead.id}|1|1")
                if accepts:
                    self.callbacks.pop(lead.id, None)
        if form.get("remove_from_hopper") == "Y" and self.has_hopper_words:
            lines.append(self._out_of_hopper(found[0], accepts))
        return _text(*lines)

    def _out_of_hopper(self, lead: Lead, accepts: bool) -> str:
        status = self.hopper.get(lead.id)
        if status is None:
            return f"NOTICE: update_lead NOT REMOVED FROM HOPPER, LEAD IS NOT IN THE HOPPER - |{lead.id}|{USER}"
        if status in ("INCALL", "DONE", "HOLD", "DNC"):
            return f"NOTICE: update_lead NOT REMOVED FROM HOPPER - |{lead.id}|{status}|{USER}"
        if accepts:
            del self.hopper[lead.id]
        return f"NOTICE: update_lead REMOVED FROM HOPPER - |{lead.id}|{status}|{USER}"


def _text(*lines: str) -> Said:
    return Said(200, {"Content-Type": "text/html; charset=utf-8"}, "".join(f"{line}\n" for line in lines).encode())


def start(dialler: Dialler) -> Standin:
    """It, listening; every request counts."""
    return Standin(dialler.respond, lambda asked: True)
