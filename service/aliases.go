package service

import "kasse/service/payment"

// Names of service/payment that other packages still use under this one.
type (
	PaymentID       = payment.ID
	Patience        = WaitOptions
	OrderID         = payment.OrderID
	CustomerID      = payment.CustomerID
	Secret          = payment.Secret
	Error           = payment.Error
	FieldError      = payment.FieldError
	Code            = payment.Code
	Terms           = payment.Terms
	CreateRequest   = payment.CreateRequest
	SessionFeatures = payment.SessionFeatures
	Session         = payment.Session
	RefundRequest   = payment.RefundRequest
	RefundView      = payment.RefundView
	StoredView      = payment.StoredView
	FeedEvent       = payment.FeedEvent
	FeedPage        = payment.FeedPage
	CaptureMethod   = payment.CaptureMethod
	State           = payment.State
	View            = payment.View
	Status          = payment.Status
	Answer          = payment.Answer
	Snapshot        = payment.Snapshot
	Charge          = payment.Charge
	Failure         = payment.Failure
	Intent          = payment.Intent
	Listed          = payment.Listed
	RefundSeen      = payment.RefundSeen
	Refund          = payment.Refund
	RefundStatus    = payment.RefundStatus
	RefundID        = payment.RefundID
	Dispute         = payment.Dispute
	DisputeSeen     = payment.DisputeSeen
	DisputeID       = payment.DisputeID
	Closure         = payment.Closure
)

// Values of service/payment, likewise.
const (
	CodeInvalidRequest        = payment.CodeInvalidRequest
	CodeInvalidSignature      = payment.CodeInvalidSignature
	CodeNotFound              = payment.CodeNotFound
	CodeOrderConflict         = payment.CodeOrderConflict
	CodeOrderAlreadyPaid      = payment.CodeOrderAlreadyPaid
	CodeOrderClosed           = payment.CodeOrderClosed
	CodePaymentInProgress     = payment.CodePaymentInProgress
	CodeInvalidState          = payment.CodeInvalidState
	CodeIdempotencyInProgress = payment.CodeIdempotencyInProgress
	CodeCursorExpired         = payment.CodeCursorExpired
	CodeAmountOutOfRange      = payment.CodeAmountOutOfRange
	CodeUnsupportedCurrency   = payment.CodeUnsupportedCurrency
	CodeCustomerNotFound      = payment.CodeCustomerNotFound
	CodeVersionMismatch       = payment.CodeVersionMismatch
	CodeIdempotencyKeyReused  = payment.CodeIdempotencyKeyReused
	CodeRefundExceedsPayment  = payment.CodeRefundExceedsPayment
	CodeAttemptsExhausted     = payment.CodeAttemptsExhausted
	CodeInternal              = payment.CodeInternal
	CodeStripeError           = payment.CodeStripeError
	CodeStoreUnavailable      = payment.CodeStoreUnavailable
	CodeStripeUnavailable     = payment.CodeStripeUnavailable
	CodeStripeRateLimited     = payment.CodeStripeRateLimited
	CodeStripeTimeout         = payment.CodeStripeTimeout
	CaptureAutomaticAsync     = payment.CaptureAutomaticAsync
	CaptureAutomatic          = payment.CaptureAutomatic
	CaptureManual             = payment.CaptureManual
	Latest                    = payment.Latest
	Succeeded                 = payment.Succeeded
	Canceled                  = payment.Canceled
	Processing                = payment.Processing
	RequiresPaymentMethod     = payment.RequiresPaymentMethod
	RequiresAction            = payment.RequiresAction
	RequiresCapture           = payment.RequiresCapture
	RequiresConfirmation      = payment.RequiresConfirmation
	SurfaceMobile             = payment.SurfaceMobile
	SurfaceWeb                = payment.SurfaceWeb
	Pending                   = payment.Pending
	ActionRequired            = payment.ActionRequired
	InProgress                = payment.InProgress
	Failed                    = payment.Failed
	Authorized                = payment.Authorized
	Paid                      = payment.Paid
	CanceledState             = payment.CanceledState
	PartiallyRefunded         = payment.PartiallyRefunded
	Refunded                  = payment.Refunded
	Disputed                  = payment.Disputed
	ChargedBack               = payment.ChargedBack
	HoldAmount                = payment.HoldAmount
	HoldDuplicate             = payment.HoldDuplicate
	HoldRefunded              = payment.HoldRefunded
	HoldDisputed              = payment.HoldDisputed
	HoldCurrency              = payment.HoldCurrency
	ClosedByCancel            = payment.ClosedByCancel
	ClosedByFailures          = payment.ClosedByFailures
	MaxAmount                 = payment.MaxAmount
)

// Functions and errors of service/payment, likewise.
var (
	Made            = payment.Made
	ClientSecretOf  = payment.ClientSecretOf
	OriginOf        = payment.OriginOf
	NotFound        = payment.NotFound
	ErrConflict     = payment.ErrConflict
	ErrNotFound     = payment.ErrNotFound
	PublicPart      = payment.PublicPart
	WithoutMetadata = payment.WithoutMetadata
	KnownCurrency   = payment.KnownCurrency
)
