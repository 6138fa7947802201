"""Domains at which anybody gets a mailbox: sharing one says nothing of two people. A list kept by hand."""

from __future__ import annotations

_EVERYWHERE = """
gmail.com googlemail.com outlook.com hotmail.com live.com msn.com passport.com yahoo.com ymail.com rocketmail.com
aol.com aim.com icloud.com me.com mac.com proton.me protonmail.com pm.me gmx.com gmx.net mail.com email.com usa.com
zoho.com
zohomail.com fastmail.com fastmail.fm hushmail.com tutanota.com tuta.io tuta.com mailfence.com hey.com duck.com
disroot.org riseup.net posteo.net posteo.de mailbox.org runbox.com startmail.com inbox.com lycos.com rediffmail.com
"""
_CHINESE = """
qq.com foxmail.com 163.com 126.com yeah.net 188.com netease.com sina.com sina.cn sohu.com tom.com 139.com 189.cn wo.cn
aliyun.com 21cn.com 263.net 2980.com eyou.com citiz.net chinaren.com sogou.com wo.com.cn
"""
_COUNTRIES = """
yahoo.co.uk yahoo.fr yahoo.de yahoo.it yahoo.es yahoo.ca yahoo.com.br yahoo.com.au yahoo.co.in yahoo.in yahoo.co.jp
yahoo.com.hk yahoo.com.tw yahoo.com.sg yahoo.co.id yahoo.com.mx yahoo.com.ar hotmail.co.uk hotmail.fr hotmail.de
hotmail.it hotmail.es hotmail.com.br outlook.fr outlook.de outlook.es outlook.jp outlook.com.br live.co.uk live.fr
live.nl live.cn live.com.au msn.cn gmx.de gmx.at gmx.ch gmx.fr web.de t-online.de freenet.de arcor.de orange.fr
wanadoo.fr free.fr laposte.net sfr.fr neuf.fr bbox.fr libero.it virgilio.it tiscali.it alice.it tin.it btinternet.com
sky.com virginmedia.com talktalk.net ntlworld.com comcast.net verizon.net att.net sbcglobal.net bellsouth.net
cox.net charter.net earthlink.net optonline.net juno.com netzero.net shaw.ca rogers.com sympatico.ca telus.net
bigpond.com optusnet.com.au xtra.co.nz ziggo.nl kpnmail.nl home.nl telenet.be skynet.be bluewin.ch telia.com
yandex.ru yandex.com ya.ru mail.ru bk.ru inbox.ru list.ru internet.ru rambler.ru ukr.net i.ua wp.pl o2.pl onet.pl
interia.pl gazeta.pl seznam.cz email.cz centrum.cz azet.sk freemail.hu citromail.hu abv.bg mail.bg uol.com.br bol.com.br
terra.com.br ig.com.br globo.com naver.com hanmail.net daum.net nate.com kakao.com docomo.ne.jp ezweb.ne.jp
softbank.ne.jp nifty.com hinet.net pchome.com.tw netvigator.com singnet.com.sg sapo.pt walla.co.il walla.com
"""
FREE = frozenset(f"{_EVERYWHERE} {_CHINESE} {_COUNTRIES}".split())

ALIASES = {  # other names of the same mailboxes
    "googlemail.com": "gmail.com",
    "protonmail.com": "proton.me",
    "pm.me": "proton.me",
    "me.com": "icloud.com",
    "mac.com": "icloud.com",
    "ya.ru": "yandex.ru",
    "yandex.com": "yandex.ru",
}


def is_free(domain: str) -> bool:
    """Whether `domain` or one above it (vip.163.com) gives mailboxes to anybody."""
    labels = domain.split(".")
    return any(".".join(labels[start:]) in FREE for start in range(len(labels) - 1))
