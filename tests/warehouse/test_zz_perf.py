import asyncio, time, random, resource
from datetime import UTC, datetime, timedelta
from uuid import uuid4
from siyu.warehouse.compaction import service as compaction
from siyu.warehouse.tail import service as tail
from siyu.warehouse.tail.contracts import Batch, TailEvent
from siyu.insight.metrics import service as metrics
from tests.warehouse.conftest import *
from tests.warehouse.support import write

async def test_perf(warehouse):
    rnd = random.Random(1)
    now = datetime.now(UTC); now_us = int(now.timestamp()*1e6)
    t=time.time()
    # 50k imported orders over two years
    def imports(n):
        return [TailEvent(shop_id=1, person_no=rnd.randint(1,5000), at_us=now_us-int(rnd.random()*730*86400e6), name="ordering.order_imported", channel="domain", amount_fen=rnd.randint(-500,50000), props={"order_id": str(uuid4()), "source": "x"}) for _ in range(n)]
    for _ in range(10):
        await write(Batch(source=0,batch_key=uuid4(),events=imports(5000)))
    names=["expose"]*10+["view"]*6+["click"]*2+["dwell"]*3+["cart"]
    for _ in range(200):
        evs=[]
        for _ in range(250):
            p=5000+rnd.randint(1,60000); at=now_us-int(rnd.random()**2*180*86400e6)
            for k in range(20):
                evs.append(TailEvent(shop_id=1,person_no=p,at_us=min(at+k*7_000_000,now_us),name="behaviour."+rnd.choice(names),channel="h5",item_no=rnd.randint(1,60),page="pages/product/detail",props={"zone":"hot"} if k%3 else None))
            if rnd.random()<.1: evs.append(TailEvent(shop_id=1,person_no=p,at_us=at+200_000_000,name="ordering.order_paid",channel="domain",amount_fen=9900))
        await write(Batch(source=1,batch_key=uuid4(),events=evs))
    print("ingest",time.time()-t)
    t=time.time(); print(await compaction.run_round(seal_now=True)); print("compact",time.time()-t)
    evs=[TailEvent(shop_id=1,person_no=rnd.randint(1,60000),at_us=now_us-int(rnd.random()*600e6),name="behaviour.view",channel="h5",page="x") for _ in range(20000)]
    await write(Batch(source=1,batch_key=uuid4(),events=evs))
    metrics._FRESH_S=-1
    import siyu.warehouse.engines.service as E
    real=E._connection
    class W:
        def __init__(s,c): s.c=c
        def cursor(s): return W(s.c.cursor())
        def execute(s,q,*a):
            t=time.time(); r=s.c.execute(q,*a); print("   ",round(time.time()-t,3)," ".join(q.split())[:110]); return r
        def close(s): s.c.close()
    E._connection=lambda: W(real())
    for days in (30,30,30,90,90,7,7):
        t=time.time(); c=time.process_time(); d=await metrics.get_dashboard(1,"Asia/Shanghai","zh-CN",days=days); print(days,"dashboard",round(time.time()-t,3),"cpu",round(time.process_time()-c,3), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss//1024)
    print([(c.key,c.value,c.trend_bps,c.health and c.health.state) for c in d.cards], d.funnel.steps, d.retention, d.realtime)
