// Runs the code of docs/apps.md with kasse-dev: it opens a payment, pays at the simulated Stripe, and follows the
// status until it is paid. Arguments: the base URLs of Kasse and of Stripe.
import kotlin.concurrent.thread
import kotlin.system.exitProcess
import okhttp3.FormBody
import okhttp3.HttpUrl
import okhttp3.MediaType
import okhttp3.OkHttpClient
import okhttp3.Request
import okhttp3.RequestBody
import org.json.JSONObject

const val SERVICE_KEY = "ksk_dev_kasse_kasse_kasse_kasse_kasse_kasse"

val client = OkHttpClient()

fun post(url: String, credential: String, body: RequestBody): JSONObject {
    val request = Request.Builder().url(url).header("Authorization", "Bearer $credential").post(body).build()
    return client.newCall(request).execute().use { response ->
        val text = response.body!!.string()
        check(response.code in 200..201) { "$url answered ${response.code}: $text" }
        JSONObject(text)
    }
}

/** Mints an order token, as the shop's backend does. */
fun mint(kasse: String, order: String, customer: String): String {
    val session = JSONObject().put("surface", "mobile").put("save", true)
    val terms = JSONObject().put("order_id", order).put("amount", 4200).put("currency", "eur")
        .put("customer", customer).put("customer_session", session)
    val body = RequestBody.create(MediaType.parse("application/json"), terms.toString())
    return post("$kasse/v1/order-tokens", SERVICE_KEY, body).getString("token")
}

fun main(args: Array<String>) {
    val (address, stripe) = args
    val ada = FormBody.Builder().add("email", "ada@example.com").build()
    val customer = post("$stripe/v1/customers", "sk_test_kasse_dev", ada).getString("id")
    val token = mint(address, "kotlin-1", customer)
    val kasse = Kasse(client, HttpUrl.parse("$address/")!!)
    val opened = kasse.openPayment(token)
    check(opened.getString("customer") == customer)
    check(opened.getJSONObject("customer_session").getString("client_secret").startsWith("cuss_"))
    val payment = opened.getString("payment_intent")
    val secret = opened.getString("client_secret")

    val seen = mutableListOf<String>()
    kasse.follow(payment, secret) { status ->
        seen += status.getString("state")
        if (seen.size == 1) thread {
            val form = FormBody.Builder().add("client_secret", secret).add("payment_method", "pm_card_visa")
                .add("return_url", "https://shop.example")
            post("$stripe/v1/payment_intents/$payment/confirm", "pk_test_kasse_dev", form.build())
        }
    }
    check(seen.first() == "pending" && seen.last() == "paid") { "the states were $seen" }
    try {
        kasse.openPayment(token)
        error("a paid order was opened again")
    } catch (e: Refused) {
        check(e.status == 409 && e.code == "order_already_paid" && e.payment!!.getString("state") == "paid") { "$e" }
    }

    val waiting = kasse.openPayment(mint(address, "kotlin-2", customer)) // stays unpaid
    kasse.follow(waiting.getString("payment_intent"), waiting.getString("client_secret")) {
        thread {
            Thread.sleep(1000) // so that stop usually interrupts a long poll
            kasse.stop()
        }
    }
    println("ok  Kotlin: $payment is paid")
    exitProcess(0) // OkHttp's threads keep the process alive for a minute
}
