"""What our pages say, by language; English where a language is not in the table."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Words:
    """The texts of the page where a person unsubscribes."""

    title: str
    ask: str
    one: str
    every: str
    done: str
    done_one: str
    done_every: str
    lost: str
    lost_said: str


WORDS: Mapping[str, Words] = {
    "en": Words(
        "Unsubscribe",
        "Nothing has changed yet. Choose what you no longer want to get from us.",
        "No more messages like this one",
        "No more messages at all",
        "You are unsubscribed",
        "You will get no more messages from us this way. You can close this page.",
        "You will get no more messages from us, on any channel. You can close this page.",
        "This link does not work",
        "It may not have been copied whole. Please open it from the message itself, or answer that message with STOP.",
    ),
    "uk": Words(
        "Відписатися",
        "Ще нічого не змінено. Оберіть, чого ви більше не хочете отримувати від нас.",
        "Не надсилати таких повідомлень",
        "Не надсилати нічого взагалі",
        "Вас відписано",
        "Ви більше не отримуватимете наших повідомлень цим каналом. Сторінку можна закрити.",
        "Ви більше не отримуватимете наших повідомлень жодним каналом. Сторінку можна закрити.",
        "Це посилання не працює",
        "Можливо, його скопійовано не повністю. Відкрийте його з повідомлення або дайте на нього відповідь STOP.",
    ),
    "de": Words(
        "Abmelden",
        "Noch ist nichts geändert. Wählen Sie, was Sie nicht mehr von uns erhalten möchten.",
        "Keine Nachrichten dieser Art mehr",
        "Gar keine Nachrichten mehr",
        "Sie sind abgemeldet",
        "Auf diesem Weg erhalten Sie keine Nachrichten mehr von uns. Sie können diese Seite schließen.",
        "Sie erhalten von uns auf keinem Weg mehr Nachrichten. Sie können diese Seite schließen.",
        "Dieser Link funktioniert nicht",
        "Vielleicht wurde er nicht ganz kopiert. Öffnen Sie ihn aus der Nachricht, oder antworten Sie dort mit STOP.",
    ),
    "fr": Words(
        "Se désabonner",
        "Rien n'est encore changé. Choisissez ce que vous ne voulez plus recevoir de nous.",
        "Plus de messages comme celui-ci",
        "Plus aucun message",
        "Vous êtes désabonné",
        "Vous ne recevrez plus nos messages par ce canal. Vous pouvez fermer cette page.",
        "Vous ne recevrez plus aucun message de nous. Vous pouvez fermer cette page.",
        "Ce lien ne fonctionne pas",
        "Il n'a peut-être pas été copié en entier. Ouvrez-le depuis le message, ou répondez-y STOP.",
    ),
    "es": Words(
        "Darse de baja",
        "Todavía no ha cambiado nada. Elija lo que ya no quiere recibir de nosotros.",
        "No más mensajes como este",
        "Ningún mensaje más",
        "Se ha dado de baja",
        "Ya no recibirá nuestros mensajes por este canal. Puede cerrar esta página.",
        "Ya no recibirá ningún mensaje nuestro. Puede cerrar esta página.",
        "Este enlace no funciona",
        "Puede que no se haya copiado entero. Ábralo desde el mensaje, o responda a ese mensaje con STOP.",
    ),
    "pl": Words(
        "Rezygnacja",
        "Nic się jeszcze nie zmieniło. Proszę wybrać, czego nie chcesz już od nas dostawać.",
        "Nie chcę takich wiadomości",
        "Nie chcę żadnych wiadomości",
        "Wypisano",
        "Tą drogą nie będziemy już wysyłać wiadomości. Można zamknąć tę stronę.",
        "Nie będziemy już wysyłać żadnych wiadomości. Można zamknąć tę stronę.",
        "Ten odnośnik nie działa",
        "Być może nie skopiowano go w całości. Proszę otworzyć go z wiadomości albo odpisać na nią STOP.",
    ),
    "zh": Words(
        "退订",
        "目前尚未更改。请选择您不想再收到的内容。",
        "不再接收此类消息",
        "不再接收任何消息",
        "已退订",
        "您将不会再通过此渠道收到我们的消息。您可以关闭此页面。",
        "您将不会再收到我们的任何消息。您可以关闭此页面。",
        "此链接无效",
        "链接可能没有复制完整。请从原消息中打开，或回复 STOP 退订。",
    ),
}


def words_for(known: str | None, accepted: str | None) -> tuple[str, Words]:
    """Language and texts: the customer's own, else the first that the browser asks for, else English."""
    for wanted in (known or "", *_asked(accepted or "")):
        base = re.split("[-_]", wanted.strip().lower())[0]
        if base in WORDS:
            return base, WORDS[base]
    return "en", WORDS["en"]


def _asked(accepted: str) -> Iterator[str]:
    yield from (part.partition(";")[0] for part in accepted[:200].split(","))
